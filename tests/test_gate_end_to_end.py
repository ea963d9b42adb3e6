"""Claims about the whole way: command line, controller, gRPC, agent, worker, HTTP, the real store, and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import measured, perfgate, started, wait_for_load, wait_gone, write_scenario, write_target
from perfgate_agent.ports import descendants
from perfgate_controller import session_stream

from perfgate.evidence.evidence_file import read
from perfgate.interval_log import read_intervals


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def gate(directory: Path, candidate: str, *more: str, base: str = "default", rate: float = 400.0) -> list[str]:
    scenario, target = write_scenario(directory, rate=rate), write_target(directory)
    return [
        "gate", str(scenario), "--target", str(target), "--base", base, "--candidate", candidate,
        "--out", str(directory / "out"), *more,
    ]  # fmt: skip


def endless(directory: Path) -> list[str]:
    """A gate that is not over when the test ends it, however busy this machine is."""
    words = gate(directory, "default")
    scenario = directory / "small.toml"
    scenario.write_text(scenario.read_text().replace("looks = [2, 3]", "looks = [60]"))
    return words


def result(directory: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((directory / "out" / "result.json").read_text())
    return loaded


def test_the_same_build_is_not_blocked_and_leaves_a_complete_record(tmp_path: Path, cache: Path) -> None:
    done = perfgate(gate(tmp_path, "default"), cache)
    assert done.returncode in (0, 4), done.stdout + done.stderr  # three short pairs prove little; make demo proves PASS
    word = {0: "PASS", 4: "INCONCLUSIVE"}[done.returncode]
    assert word in done.stdout
    record = result(tmp_path)["record"]
    assert record["complete"] is True  # type: ignore[index]
    assert len(record["pairs"]) >= 2  # type: ignore[index,arg-type]
    assert read_intervals(tmp_path / "out" / "intervals.jsonl").intervals
    again = perfgate(["report", str(tmp_path / "out")], cache)
    assert again.returncode == 0
    assert word in again.stdout
    counted = read(cache / "evidence.jsonl").lines[-1]
    assert (counted.aa, counted.verdict.value, counted.policy) == (True, word, "quick")
    assert counted.host
    certified = perfgate(["certify"], cache)
    assert certified.returncode == 4
    assert "1 verdict: 0 BLOCK" in certified.stdout


def test_a_build_that_fails_requests_is_blocked_with_exit_1_whatever_its_speed(tmp_path: Path, cache: Path) -> None:
    """Eight pairs: that it fails in pair after pair, three could not show."""
    words = gate(tmp_path, "failing")
    scenario = tmp_path / "small.toml"
    assert "looks = [2, 3]" in scenario.read_text()
    scenario.write_text(scenario.read_text().replace("looks = [2, 3]", "looks = [8]"))
    done = perfgate(words, cache)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BLOCK" in done.stdout
    assert "of the candidate's requests fail" in " ".join(done.stdout.split())


@pytest.mark.slow  # the rule's part: test_compare
def test_a_store_that_fails_in_both_arms_is_never_a_pass(tmp_path: Path, cache: Path) -> None:
    done = perfgate(gate(tmp_path, "failing", base="failing"), cache)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "INVALID" in done.stdout or "is not found again" in done.stderr


def test_a_store_that_cannot_hold_the_rate_is_invalid_in_the_first_pair_with_a_rate_to_try(
    tmp_path: Path, cache: Path
) -> None:
    done = perfgate(gate(tmp_path, "weak", base="weak", rate=1500.0), cache, watched=True)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "cannot hold the offered" in " ".join(done.stdout.split())
    assert "70 %" in done.stdout
    assert len(result(tmp_path)["record"]["pairs"]) == 1  # type: ignore[index]


def test_a_candidate_alone_that_cannot_hold_the_rate_is_blocked(tmp_path: Path, cache: Path) -> None:
    done = perfgate(gate(tmp_path, "weak", rate=1000.0), cache, watched=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the base held the rate" in " ".join(done.stdout.split())


def test_a_store_that_dies_in_the_middle_is_invalid_and_named_and_what_was_measured_is_kept(
    tmp_path: Path, cache: Path
) -> None:
    done = perfgate(gate(tmp_path, "mortal"), cache, watched=True)
    assert done.returncode == 3, done.stdout + done.stderr
    text = " ".join((done.stdout + done.stderr).split())
    assert "the candidate store (mortal) ended" in text
    assert read_intervals(tmp_path / "out" / "intervals.jsonl").intervals


def test_ctrl_c_ends_in_order_with_partial_data_and_without_orphans(tmp_path: Path, cache: Path) -> None:
    with started(endless(tmp_path), cache) as process:
        wait_for_load(process, tmp_path)
        family = descendants(process.pid)
        assert len(family) > 2
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 3, out + err
    assert "INVALID" in out
    assert result(tmp_path)["record"]["complete"] is False  # type: ignore[index]
    wait_gone(family)


def test_an_agent_killed_in_the_middle_gives_invalid_and_leaves_no_orphans(tmp_path: Path, cache: Path) -> None:
    with started(endless(tmp_path), cache) as process:
        wait_for_load(process, tmp_path)
        family = descendants(process.pid)
        agents = [pid for pid in family if b"perfgate_agent\0--name" in _command(pid)]
        assert len(agents) == 1
        os.kill(agents[0], signal.SIGKILL)
        out, err = process.communicate()
    assert process.returncode == 3, out + err
    assert "was lost" in " ".join((out + err).split())
    wait_gone(family)


def test_a_controller_killed_in_the_middle_leaves_no_orphans_and_keeps_its_intervals(
    tmp_path: Path, cache: Path
) -> None:
    with started(endless(tmp_path), cache) as process:
        wait_for_load(process, tmp_path)
        family = descendants(process.pid)
        process.kill()
        process.communicate()
    wait_gone(family)
    assert read_intervals(tmp_path / "out" / "intervals.jsonl").intervals


def test_two_agents_send_and_merge_just_what_one_does(tmp_path: Path, cache: Path) -> None:
    totals = []
    for agents in (1, 2):
        place = tmp_path / str(agents)
        place.mkdir()
        scenario, target = write_scenario(place, seconds=1), write_target(place)
        arguments = ["run", str(scenario), "--target", str(target), "--out", str(place / "out"), "--warmup", "0s"]
        done = perfgate([*arguments, "--local-agents", str(agents), "--workers", str(agents)], cache)
        assert measured(done), done.stdout + done.stderr
        operations = result(place)["record"]["arms"]["base"]["operations"]  # type: ignore[index]
        totals.append(
            {name: (part["outcomes"], part["checked"], part["expected"]) for name, part in operations.items()}
        )
    assert totals[0] == totals[1]
    assert sum(part[0]["ok"] for part in totals[0].values()) == 400


def test_a_running_store_is_loaded_when_empty_and_refused_when_it_holds_something_else(
    tmp_path: Path, cache: Path
) -> None:
    scenario, target = write_scenario(tmp_path, seconds=1), write_target(tmp_path)
    command = [sys.executable, "-m", "perfgate.store", "--port", "0", "--dim", "16"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as store:
        assert store.stdout is not None
        url = store.stdout.readline().split()[4]
        arguments = ["run", str(scenario), "--target", str(target), "--url", url, "--warmup", "0s"]
        first = perfgate([*arguments, "--out", str(tmp_path / "first")], cache)
        second = perfgate([*arguments, "--out", str(tmp_path / "second")], cache)
        store.terminate()
    assert measured(first), first.stdout + first.stderr
    assert second.returncode == 3
    assert "data.num_nodes" in second.stderr


def test_a_dead_target_is_one_clear_message(tmp_path: Path, cache: Path) -> None:
    scenario, target = write_scenario(tmp_path), write_target(tmp_path)
    done = perfgate(["run", str(scenario), "--target", str(target), "--url", "http://127.0.0.1:9"], cache)
    assert done.returncode == 3
    assert "no store answers at http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gate", "nowhere.toml", "--target", "T", "--base", "a", "--candidate", "b"], "no such file"),
        (["gate", "S", "--target", "T", "--base", "a", "--candidate", "default"], "--base 'a'"),
        (["run", "S", "--target", "S"], "is a scenario, where a target file is asked for"),
        (["run", "S", "--target", "T", "--url", "ftp://x"], "--url"),
        (
            ["gate", "S", "--target", "T", "--base", "default", "--candidate", "default", "--time-limit", "x"],
            "--time-limit",
        ),
        (["gate", "S", "--target", "T", "--base", "default", "--candidate", "default", "--margin", "-1"], "margin"),
        (["run", "S", "--target", "T", "--agents", "127.0.0.1:9"], "does not answer"),
        (["run", "S", "--target", "T", "--workers", "0"], "--workers"),
        (["gate"], "SCENARIO and --target are needed"),
        (["frobnicate"], "is unknown"),
    ],
)
def test_bad_input_is_one_message_and_exit_3(
    words: list[str], message: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_stream, "DIAL_S", 0.5)
    names = {"S": str(write_scenario(tmp_path)), "T": str(write_target(tmp_path))}
    done = perfgate([names.get(word, word) for word in words], cache)
    assert done.returncode == 3
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
