"""Competitions the whole way: real stores, real load, the verdict, the files, the history."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import jsonschema
import pytest
from cluster import perfgate, started, wait_gone
from perfgate_agent.ports import descendants as below

ROOT = Path(__file__).parent.parent
SCENARIO = """
name = "small competition"
[duration]
total_seconds = 5
[arrival]
pattern = "constant"
rate = 200.0
[operations]
store_weight = 0.3
embedding_search_weight = 0.7
[data]
num_nodes = 1_500
embedding_dim = 32
[connection]
connections = 8
[gate]
max_lag_p99_ms = 1000
max_worker_cpu = 1
max_core_wait = 1
max_steal = 1
max_gc_pause_ms = 1000
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def arrange(directory: Path, arguments: str = "[]", applies: str = "request") -> tuple[Path, Path]:
    """Our store and a competitor that is started with further arguments."""
    (directory / "small.toml").write_text(SCENARIO)
    text = (
        (ROOT / "targets" / "embedded.toml").read_text().replace("values = [10, 16, 32, 64, 128]", "values = [2, 64]")
    )
    ours, theirs = directory / "ours.toml", directory / "theirs.toml"
    ours.write_text(text.replace('name = "embedded"', 'name = "ours"'))
    other = text.replace('name = "embedded"', 'name = "theirs"').replace(
        "[variants.default]", f"[variants.default]\narguments = {arguments}"
    )
    theirs.write_text(other.replace("values = [2, 64]", f'values = [2, 64]\napplies = "{applies}"'))
    return ours, theirs


def words(directory: Path, ours: Path, theirs: Path, *more: str) -> list[str]:
    return [
        "compete", str(directory / "small.toml"), "--targets", str(ours), str(theirs), "--rounds", "3", "--measured", "300ms",
        "--warmup", "10s", "--recall", "0.9", "--out", str(directory / "out"), "--history", str(directory / "history.db"),
        "--wait", "100s", *more,
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_stores_are_compared_recorded_and_drawn_and_nothing_is_left_running(tmp_path: Path, cache: Path) -> None:
    ours, theirs = arrange(tmp_path, '["--slow", "embedding_search=3.0"]', applies="load")
    done = perfgate(words(tmp_path, ours, theirs, "--record", "--memory", "2g"), cache)
    assert done.returncode in (3, 4), done.stdout + done.stderr  # on a busy host a store may not get warm
    assert "perfgate compete" in done.stdout, done.stderr  # the report's last line
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "compete.schema.json").read_text())).validate(result)
    assert result["verdict"]["exit_code"] == done.returncode
    assert [store["label"] for store in result["stores"]] == ["ours", "theirs"]
    assert {turn["round"] for turn in result["turns"]} == {0, 1, 2}
    points = {one["store"]: [point["recall"]["mean"] for point in one["points"]] for one in result["frontiers"]}
    for low, high in points.values():
        assert low < high  # the option reaches the store, sent with a search or put in when it is loaded
        assert high > 0.9
    assert all(turn["peak_bytes"] > 10_000_000 for turn in result["turns"])
    for name in ("report.md", "frontier.svg", "verdict.txt", "intervals.jsonl"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    tracked = perfgate(["compete", "--tracked", "--history", str(tmp_path / "history.db")], cache)
    invalid = done.returncode == 3
    assert tracked.returncode == (3 if invalid else 0), tracked.stdout + tracked.stderr
    assert ("theirs" in tracked.stdout) is not invalid


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_stores_alternate_in_slices_and_none_runs_while_another_is_measured(tmp_path: Path, cache: Path) -> None:
    ours, theirs = arrange(tmp_path, '["--slow", "embedding_search=3.0"]')
    done = perfgate([*words(tmp_path, ours, theirs), "--measured", "800ms", "--slice", "200ms"], cache)
    assert done.returncode in (3, 4), done.stdout + done.stderr  # on a busy host a store may not get warm
    assert "perfgate compete" in done.stdout, done.stderr  # the report's last line
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "compete.schema.json").read_text())).validate(result)
    assert result["slice_ns"] == 200_000_000
    assert [turn["alone"] for turn in result["turns"]] == [True] * 6
    assert [turn["slices"] for turn in result["turns"]] == [2 * 4] * 6
    alone = next(rule for rule in result["rules"] if rule["code"] == "alone")
    assert alone["kept"] is True
    assert "used no processor time" in alone["text"]
    usable = [one for turn in result["turns"] for one in turn["readings"] if not one["fault"]]
    assert all(len(one["operations"]["embedding_search"]["groups"]) == 1 for one in usable)  # 28 a slice, 60 a group


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_ctrl_c_in_the_middle_of_a_slice_leaves_no_store_stopped_or_running(tmp_path: Path, cache: Path) -> None:
    ours, theirs = arrange(tmp_path)
    with started([*words(tmp_path, ours, theirs), "--measured", "20s"], cache) as process:
        intervals = tmp_path / "out" / "intervals.jsonl"
        while not (
            intervals.exists() and '"start_ns":100000000,' in intervals.read_text()
        ):  # a slice's, after its settling
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        stores = [pid for pid in below(process.pid) if b"perfgate.store" in words_of(pid)]
        assert len(stores) == 2
        assert b"T" in [Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] for pid in stores]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        wait_gone(stores)
    assert process.returncode == 3, out + err
    assert "interrupted" in out, out + err


def words_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('["--wrong-empty", "embedding_search"]', "embedding searches find 0"),
        ('["--drop-similar", "0.3"]', "the store holds"),
    ],
)
def test_a_store_that_answers_from_an_empty_or_a_smaller_data_set_is_invalid(
    tmp_path: Path, cache: Path, arguments: str, said: str
) -> None:
    done = perfgate(words(tmp_path, *arrange(tmp_path, arguments)), cache)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "INVALID" in done.stdout
    assert said in " ".join(done.stdout.split())
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["verdict"]["reasons"][0]["code"] == "store_failed"
    assert result["standings"] == []
