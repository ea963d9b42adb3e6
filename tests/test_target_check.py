"""`perfgate target`: files that check as they are written, and every trap of a real store named."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from dataset_values import scenario
from http_target import MEMORY, NEW, ROOT, document
from perfgate_agent import loader
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.host import Build, Host
from perfgate_agent.ports import is_listening
from perfgate_agent.process import LOOPBACK
from store_process import running_store

from perfgate.address import Address
from perfgate.cli.main import main
from perfgate.dataset import build_dataset
from perfgate.target_check.check import check
from perfgate.target_check.order import Data, Order
from perfgate.target_check.step import State, Step
from perfgate.targets.load import load_target, target_from_json
from perfgate.targets.model import Target

DIM = 8
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    place = tmp_path_factory.mktemp("data")
    small, odd = scenario(num_nodes=120, dim=DIM), scenario(num_nodes=20, dim=DIM + 1)
    return Data(small, build_dataset(small, 1, place, 40, 40), build_dataset(odd, 1, place, 20, 20))


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count that is wrong stays wrong."""
    monkeypatch.setattr(loader, "SETTLE_S", 0.0)


def target(*switches: str, start_s: float = 30, **changes: Any) -> Target:
    """The built-in store by template, with switches to misbehave."""
    written = document()
    written["host"].update(start_timeout_seconds=start_s)
    written["variants"] = {"default": {"arguments": list(switches)}}
    for name, value in changes.items():
        if isinstance(value, dict):
            written.setdefault(name, {}).update(value)
        else:
            written[name] = value
    return target_from_json(orjson.dumps(written).decode())


async def steps_of(
    checked: Target, data: Data, directory: Path, timeout_s: float = 10, url: Address | None = None
) -> dict[str, Step]:
    order = Order(checked, "default", data, url, timeout_s, directory)
    steps = await check(order, lambda step: None)
    return {step.name: step for step in steps}


def failed(steps: dict[str, Step]) -> list[str]:
    return [name for name, step in steps.items() if step.state is State.FAILED]


async def test_a_good_store_passes_every_step_and_leaves_nothing(tmp_path: Path, data: Data) -> None:
    steps = await steps_of(target(), data, tmp_path)
    assert {step.state for step in steps.values()} == {State.OK}, steps
    assert list(steps) == [
        "start", "ready", "empty", "load", "store", "recall", "embedding_search", "health under load", "count", "get",
        "store, recall", "unknown id", "wrong dimension, store", "wrong dimension, embedding_search", "stop", "copy",
    ]  # fmt: skip
    assert not (tmp_path / "session").exists()


@pytest.mark.parametrize(("switches", "changes", "step", "words"), [
    (["--move-port", "1"], {"start_s": 4.0}, "start", "it moved on from the port it was told"),
    (["--drop-similar", "0.7"], {}, "load", "it drops or merges some (are vectors too similar?)"),
    (["--warm-tier", "0.71"], {"options": {"confidence": 0.7}}, "load", "a tier that ignores the query?"),
    (["--lose-index"], {}, "copy", "set copyable = false in the target file"),
    (["--busy-health", "30"], {"requests": {"health": {"path": "/health"}}}, "health under load", "said 503 in "),
    (["--wrong-empty", "store"], {}, "load", "holds 0 memories after 120 were loaded"),
    (["--fail", "store=1:429"], {}, "load", "status 429"),
])  # fmt: skip
async def test_a_trap_of_a_real_store_is_caught_with_a_word_that_names_it(
    tmp_path: Path, data: Data, switches: list[str], changes: dict[str, Any], step: str, words: str
) -> None:
    steps = await steps_of(target(*switches, **changes), data, tmp_path)
    assert failed(steps) == [step], steps
    assert words in steps[step].text


async def test_a_stall_of_minutes_is_caught_by_the_time_for_one_reply(tmp_path: Path, data: Data) -> None:
    steps = await steps_of(target("--freeze", "145:3"), data, tmp_path, timeout_s=0.4)
    assert "the store stalls" in steps["store"].text
    assert steps["store"].sent.startswith("POST /api/v1/memories/remember")


async def test_a_warm_tier_does_nothing_to_memories_of_high_confidence(tmp_path: Path, data: Data) -> None:
    assert not failed(await steps_of(target("--warm-tier", "0.71"), data, tmp_path))


async def test_a_gate_refuses_a_store_whose_search_is_lost_after_a_restart(tmp_path: Path, data: Data) -> None:
    host = Host(AgentConfiguration("a", LOOPBACK, 0, tmp_path, tmp_path, 1), tmp_path / "session")
    build = Build(target("--lose-index"), "default", data.scenario, data.dataset)
    try:
        await host.install(build, lambda stage, fraction: None)
        with pytest.raises(BaseExceptionGroup) as caught:
            await host.launch([build])
    finally:
        await host.close()
    assert "set copyable = false in the target file" in str(caught.value.exceptions[0])


async def test_a_store_that_cannot_serve_copies_passes_when_the_file_says_so(tmp_path: Path, data: Data) -> None:
    steps = await steps_of(target("--lose-index", host={"copyable": False}), data, tmp_path)
    assert not failed(steps)
    assert "loaded anew" in steps["copy"].text


async def test_wrong_fields_are_shown_with_what_was_sent_and_what_came_back(tmp_path: Path, data: Data) -> None:
    body = MEMORY.replace("content", "contents")
    steps = await steps_of(
        target(requests={"store": {"path": "/api/v1/memories/remember", "body": body}}), data, tmp_path
    )
    assert failed(steps) == ["load"]
    assert "MISSING_FIELD" in steps["load"].text
    assert '"contents":"' in steps["load"].sent


async def test_paths_that_miss_the_ids_are_shown_with_the_reply(tmp_path: Path, data: Data) -> None:
    recall = {**document()["requests"]["recall"], "ids": "memories.bright[*].id"}
    recall.pop("scores")
    steps = await steps_of(target(requests={"recall": recall}), data, tmp_path)
    assert failed(steps) == ["load"]
    assert "no results in" in steps["load"].text


async def test_a_path_that_leads_to_the_whole_list_of_ids_is_told_what_it_lacks(tmp_path: Path, data: Data) -> None:
    recall = {**document()["requests"]["recall"], "ids": "memories.vivid"}
    recall.pop("scores")
    steps = await steps_of(target(requests={"recall": recall}), data, tmp_path)
    assert failed(steps) == ["load"]
    assert "the path of ids leads to a list, not to each id in it: end it with [*]" in steps["load"].text
    assert "GET /api/v1/memories/recall?query=" in steps["load"].sent, (
        "the question that found nothing, not the loading"
    )
    assert "vivid" in steps["load"].received


async def test_ids_that_are_always_there_prove_nothing(tmp_path: Path, data: Data) -> None:
    steps = await steps_of(target(requests={"get": {"path": "/health/alive?{id}"}}), data, tmp_path)
    assert failed(steps) == ["unknown id"]
    assert "nobody has stored" in steps["unknown id"].text


async def test_a_running_store_must_be_empty_and_is_left_running(tmp_path: Path, data: Data) -> None:
    with running_store("--port", "0", "--dim", str(DIM)) as store:
        address = Address("127.0.0.1", store.port)
        assert not failed(await steps_of(target(), data, tmp_path, url=address))
        again = await steps_of(target(), data, tmp_path, url=address)
        assert failed(again) == ["empty"]
        assert "holds 160 memories before anything is loaded" in again["empty"].text
        assert is_listening(store.port)


def two_ports(*arguments: str, start_s: float = 30) -> Target:
    command = [sys.executable, str(HERE / "two_ports.py"), "--port", "{port}", *arguments]
    host = {"command": command, "environment": {"SECOND": "{port2}"}, "start_timeout_seconds": start_s}
    written = {"name": "two", "adapter": "http_get", "host": host, "variants": {"default": {}}}
    return target_from_json(orjson.dumps(written).decode())


async def test_a_second_port_is_given_awaited_and_owned(tmp_path: Path, data: Data) -> None:
    steps = await steps_of(two_ports("--besides", "{port2}"), data, tmp_path)
    assert steps["start"].state is State.OK
    assert " and port " in steps["start"].text


async def test_so_are_third_and_further_ones(tmp_path: Path, data: Data) -> None:
    given = two_ports("--besides", "{port2}", "--besides", "{port3}", "--besides", "{port4}")
    text = (await steps_of(given, data, tmp_path))["start"].text
    assert len(set(re.findall(r"\d{4,5}(?=[, ])", text.partition(" on port ")[2].partition("owned")[0]))) == 4, text
    silent = two_ports("--besides", "{port2}", "--unused={port3}", start_s=1.5)
    steps = await steps_of(silent, data, tmp_path / "silent")
    assert "nobody listens on {port3}" in steps["start"].text


async def test_a_second_port_that_nobody_listens_on_is_named(tmp_path: Path, data: Data) -> None:
    steps = await steps_of(two_ports(start_s=1.5), data, tmp_path)
    assert failed(steps) == ["start"]
    assert "nobody listens on {port2}" in steps["start"].text


@pytest.mark.parametrize("kind", ["http", "engram", "http_get"])
def test_a_new_file_checks_as_it_is(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    assert main(["target", "new", "--adapter", kind, str(path)]) == 0
    assert main(["target", "new", "--adapter", kind, str(path)]) == 3, "what is there is left alone"
    assert "exists already" in capsys.readouterr().err
    assert main(["target", "check", str(path), "--dim", "8"]) == 0
    assert "steps hold" in capsys.readouterr().out


def test_a_check_that_fails_ends_with_3_and_names_the_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(NEW.read_text().replace('description = "as it is"', 'arguments = ["--fail", "store=1:429"]'))
    assert main(["target", "check", str(path), "--dim", "8"]) == 3
    out = capsys.readouterr().out
    assert "1 of 4 steps failed: load" in out
    assert "sent       POST /api/v1/memories/remember" in out


def test_a_running_store_that_nobody_runs_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["target", "check", str(NEW), "--dim", "8", "--url", "http://127.0.0.1:1"]) == 3
    assert "ready: nobody listens at http://127.0.0.1:1: start the store" in capsys.readouterr().out


def test_a_directory_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["target", "new", str(tmp_path / "targets" / "mine.toml")]) == 3
    assert f"there is no directory {tmp_path / 'targets'}; make it first" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--timeout", "0s"], ["--dim", "0"], ["--variant", "no"], ["--url", "nowhere"]])
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["target", "check", str(NEW), *arguments]) == 3
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize("name", ["engram", "qdrant", "embedded"])
def test_the_shipped_files_load(name: str) -> None:
    shipped = load_target(ROOT / "targets" / f"{name}.toml")
    assert shipped.host is not None
    if name == "engram":
        assert shipped.options["confidence"] == 0.95
        assert shipped.host.copyable is False


async def test_the_help_of_a_stubborn_store_is_to_be_killed(tmp_path: Path, data: Data) -> None:
    script = tmp_path / "stubborn.py"
    script.write_text(
        "import runpy, signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"sys.argv[0] = {str(HERE / 'two_ports.py')!r}\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    host = {"command": [sys.executable, str(script), "--port", "{port}"], "stop_grace_seconds": 0.2}
    written = {"name": "two", "adapter": "http_get", "host": host, "variants": {"default": {}}}
    steps = await steps_of(target_from_json(orjson.dumps(written).decode()), data, tmp_path)
    assert steps["stop"].state is State.WARNING
    assert "was killed" in steps["stop"].text
