"""Claims about a machine that can open no more connections, provoked for real: it is blamed, and not the store."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import json
import os
import resource
import socket
import subprocess
from pathlib import Path

import pytest
from builders import arm_interval, worker_load
from cluster import started, write_scenario
from fault_server import OK, FaultServer, always, silent
from gate_values import SEARCH, THREE, pairs
from load_cases import MS, outcomes, part, plan, run, segments
from one_network import few_ports
from test_invalid_end_to_end import workers

from perfgate.address import Address
from perfgate.gate.compare import compare
from perfgate.gate.generator import cut_reason, drop_faulty, run_problems, spoilt_reason
from perfgate.gate.local_limit import local_limit_reason
from perfgate.gate.policy_load import QUICK, STANDARD
from perfgate.gate.verdict import Word
from perfgate.interval import Interval
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.segment import Arm

TARGET = 'name = "web"\nadapter = "http_get"\noperations = ["recall"]\n'


def limited(one: Interval, count: int = 3, code: int = errno.EMFILE) -> Interval:
    """The same with some requests that found no connection."""
    outcomes = [0] * len(OUTCOMES)
    outcomes[Outcome.LOCAL_LIMIT] = count
    found = one.operations[SEARCH]
    counts = tuple(map(sum, zip(found.outcomes, outcomes, strict=True)))
    example = f"local limit: {errno.errorcode[code]}: {os.strerror(code)}"
    return dataclasses.replace(
        one, operations={**one.operations, SEARCH: dataclasses.replace(found, outcomes=counts)}, examples=(example,)
    )


# --- the drivers ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("driver")
async def test_a_request_that_finds_no_local_port_ends_so_while_others_wait_for_the_store() -> None:
    with few_ports(12):
        async with FaultServer(silent) as server:
            report, intervals = await run(part([server], plan(), segments(400), connections=32, timeout_ns=200 * MS))
    ended = outcomes(intervals)
    assert set(ended) == {Outcome.LOCAL_LIMIT, Outcome.TIMEOUT}
    assert ended[Outcome.TIMEOUT] >= 10, "connections that there were ports for"
    reason = local_limit_reason(intervals)
    assert reason is not None
    assert "ran out of local ports" in reason.text
    assert not report.lost, "the store never refused one"


@pytest.mark.usefixtures("driver")
async def test_a_machine_without_any_port_ends_every_request_at_once_and_does_not_call_the_store_lost() -> None:
    with few_ports(1):  # which the server has
        async with FaultServer(always(OK)) as server:
            report, intervals = await run(part([server], plan(), segments(300), lost_ns=50 * MS))
    assert outcomes(intervals) == {Outcome.LOCAL_LIMIT: 60}
    assert not report.lost


@pytest.mark.usefixtures("driver")
async def test_a_unix_socket_with_a_full_queue_is_the_stores_refusal(tmp_path: Path) -> None:
    """connect(2) gives EAGAIN there, which for a TCP socket once meant a want of local ports."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)  # nobody accepts; one connection fits
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(path))
            address = {Arm.BASE: Address.unix(str(path))}
            report, intervals = await run(part([1], plan(), segments(200), addresses=address))
    assert outcomes(intervals) == {Outcome.REFUSED: 40}
    assert not report.saturated


# --- the gate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "what", "remedy"),
    [
        (errno.EMFILE, "file descriptors", "ulimit -n"),
        (errno.ENFILE, "file descriptors", "ulimit -n"),
        (errno.EADDRNOTAVAIL, "local ports", "ip_local_port_range"),
        (errno.ENOMEM, "memory", "memory"),
        (errno.EPERM, "file descriptors, ports or memory", "ulimit -n"),
    ],
)
def test_the_reason_says_what_was_missing_and_what_helps(code: int, what: str, remedy: str) -> None:
    reason = local_limit_reason([limited(arm_interval(), 3, code)])
    assert reason is not None
    assert reason.code == "local_limit"
    assert f"ran out of {what}" in reason.text
    assert "3 of " in reason.text
    assert remedy in reason.remedy


def test_a_run_with_one_such_request_is_invalid_for_that_reason_alone() -> None:
    """They were never sent, but that is no question of the scenario's connections."""
    one = limited(arm_interval(), count=1)
    short = dataclasses.replace(one, sent=one.due - 1)
    assert [reason.code for reason in run_problems([worker_load()], short, STANDARD)] == ["local_limit"]
    assert local_limit_reason([arm_interval()]) is None


@pytest.mark.parametrize("arm", ["base", "candidate"])
def test_a_pair_with_such_a_request_in_either_arm_does_not_count(arm: str) -> None:
    made = pairs(16)
    spoilt = []
    for pair in made:
        couple = dataclasses.replace(pair.couples[1], **{arm: limited(getattr(pair.couples[1], arm))})
        one = dataclasses.replace(pair, couples=(pair.couples[0], couple, *pair.couples[2:]), workers=(worker_load(),))
        spoilt.append(drop_faulty(one, QUICK))
    assert all(not pair.usable for pair in spoilt)
    reason = spoilt_reason(spoilt[:1], QUICK)
    assert reason is not None
    assert reason.code == "local_limit"
    comparison = compare(spoilt, QUICK, THREE)
    assert comparison.verdict.word is Word.INVALID
    assert comparison.verdict.reasons[0].code == "local_limit"
    assert compare([*spoilt[:1], *made[1:]], QUICK, THREE).verdict.word is Word.PASS


def test_load_that_was_cut_for_want_of_connections_is_blamed_on_this_machine() -> None:
    reason = cut_reason([limited(arm_interval())], [worker_load()], STANDARD)
    assert reason is not None
    assert reason.code == "local_limit"
    assert cut_reason([arm_interval()], [worker_load()], STANDARD) is None


# --- the whole way -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["engine", "portable"])
async def test_a_worker_out_of_file_descriptors_makes_a_run_invalid_and_says_what_to_raise(
    driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store ends each connection, so that the worker soon needs a new one."""
    monkeypatch.setenv("PERFGATE_DRIVER", driver)
    scenario, target = write_scenario(tmp_path, seconds=2), tmp_path / "web.toml"
    target.write_text(TARGET)
    text = scenario.read_text().replace("store_weight = 0.35\n", "").replace("embedding_search_weight = 0.3\n", "")
    scenario.write_text(text)
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with FaultServer(always(closing, close=True)) as server:
        words = ["run", str(scenario), "--target", str(target), "--url", str(server.address)]
        with started([*words, "--out", str(tmp_path / "out"), "--warmup", "0s"], tmp_path) as process:
            await asyncio.wait_for(_loaded(server, process), 60)
            (worker,) = workers(process.pid)
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, 3))
            out, err = await asyncio.to_thread(process.communicate)
    assert process.returncode == 3, out + err
    record = json.loads((tmp_path / "out" / "result.json").read_text())["record"]
    assert record["invalid"], out + err
    reason = record["invalid"][0]
    assert reason["code"] == "local_limit"
    assert "ran out of file descriptors" in reason["text"]
    assert "ulimit -n" in reason["remedy"]
    assert "no fault of the store's" in " ".join(out.split())


async def _loaded(server: FaultServer, process: subprocess.Popen[str]) -> None:
    """Until it has been asked more often than before the load begins."""
    while len(server.requests) < 100:
        assert process.poll() is None, "it ended before the load began"
        await asyncio.sleep(0.02)
