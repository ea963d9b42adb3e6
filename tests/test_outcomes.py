"""Every way in which a request can end is told apart from the others, by real bytes from a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fault_server import OK, Answer, FaultServer, always, silent, with_the_end
from faults import FAULTS, GOOD, by_path, sized
from load_cases import MS, PlainAdapter, outcomes, part, plan, run, segments
from perfgate_agent.part import Part
from perfgate_agent.ports import free_ports
from perfgate_agent.reply_reader import MAX_BODY

from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.segment import Arm
from perfgate.targets.adapter import GOOD as RIGHT
from perfgate.targets.adapter import Judgement, Shape

LONGEST_EXAMPLE = 400
PATIENT = {"timeout_ns": 400 * MS, "connections": 40}
"""Long enough for a busy machine to answer the others, and none of them waits for a connection."""

pytestmark = pytest.mark.usefixtures("driver")


class Provoking(PlainAdapter):
    """Every second request asks for the path `/name`; `{}` is right, and nothing else."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name.encode()

    def encode(self, operation: Operation, key: int, index: int) -> bytes:
        name = b"as-asked" if index % 2 else self._name
        return b"GET /%b/%d HTTP/1.1\r\nHost: h\r\n\r\n" % (name, index)

    def shape(self, operation: Operation) -> Shape:
        return Shape(200, b"{")

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        judged = super().judge(operation, key, index, status, body, deep)
        if judged is RIGHT and body != b"{}":
            return Judgement(Outcome.WRONG_ANSWER, example=f"{body!r} instead of {{}}")
        return judged


def provoking(server: FaultServer, name: str, **fields: Any) -> Part:
    """Forty requests in 200 ms, each second one of which provokes what `name` says."""
    return part([server], plan(), segments(200), adapters={Arm.BASE: Provoking(name)}, **fields)


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_has_its_outcome_and_one_example_and_the_run_goes_on(name: str) -> None:
    fault = FAULTS[name]
    async with FaultServer(by_path) as server:
        report, intervals = await run(provoking(server, name, **PATIENT if fault.patient else {}))
    assert outcomes(intervals) == {fault.outcome: 20, Outcome.OK: 20}
    assert (report.sent, report.completed, report.failed) == (40, 20, 20)
    assert len(server.requests) == 40, "nothing is sent again in secret"
    for interval in intervals:
        (example,) = interval.examples
        assert example.startswith(f"{fault.outcome.label}: ")
        assert fault.words in example
        assert len(example) < LONGEST_EXAMPLE


@pytest.mark.parametrize("name", GOOD)
async def test_each_unusual_reply_is_read_whole(name: str) -> None:
    async with FaultServer(by_path) as server:
        _, intervals = await run(provoking(server, name))
    assert outcomes(intervals) == {Outcome.OK: 40}, intervals[0].examples
    assert len(server.requests) == 40


async def test_a_body_just_within_the_bound_is_no_failure() -> None:
    async with FaultServer(always(sized(b"{" + bytes(MAX_BODY - 1)))) as server:
        _, intervals = await run(part([server], plan(rate=20), segments(200)))
    assert outcomes(intervals) == {Outcome.OK: 4}


async def test_nobody_listening_is_refused() -> None:
    report, intervals = await run(part(free_ports(1), plan(), segments(200)))
    assert outcomes(intervals) == {Outcome.REFUSED: 40}
    assert report.sent == 0
    assert "refused" in intervals[0].examples[0]


async def test_a_timeout_counts_from_the_intended_time_also_without_a_connection() -> None:
    """Two connections only, and no replies: the others time out in the queue, unsent."""
    async with FaultServer(silent) as server:
        report, intervals = await run(part([server], plan(), segments(200), connections=2, timeout_ns=100 * MS))
    assert outcomes(intervals) == {Outcome.TIMEOUT: 40}
    assert 2 <= report.sent < 40
    assert any(
        "waiting for a connection" in example or "no complete reply" in example for example in intervals[0].examples
    )


async def test_a_request_on_a_connection_that_was_closed_before_is_stale_and_never_sent_again() -> None:
    """Requests wait for the only connection, and go out on it the moment it has answered, which is when it ends."""
    async with FaultServer(with_the_end) as server:
        report, intervals = await run(part([server], plan(rate=400), segments(200), connections=1))
    counts = outcomes(intervals)
    assert set(counts) == {Outcome.OK, Outcome.STALE_CONNECTION}
    assert counts[Outcome.OK] == len(server.requests)
    assert report.sent == 80
    assert "kept-alive connection" in " ".join(intervals[0].examples) or "stale" in intervals[0].examples[0]


async def test_a_store_that_ends_with_a_request_in_its_hand_is_a_reset_and_nothing_stale() -> None:
    """Both come over a connection that has served before; here the request did arrive, and the store let it down."""

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) % 2:
            writer.write(OK)
        else:
            writer.close()

    async with FaultServer(answer) as server:
        _, intervals = await run(part([server], plan(), segments(200), connections=1))
    assert outcomes(intervals) == {Outcome.OK: 20, Outcome.RESET: 20}


@pytest.mark.parametrize("afterwards", [b"", OK], ids=["its end", "bytes"])
async def test_what_comes_over_an_idle_connection_costs_no_request(afterwards: bytes) -> None:
    """10 ms after a reply the server closes, or sends what nobody asked for; requests are 50 ms apart."""

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await asyncio.sleep(0.01)
        if afterwards:
            writer.write(afterwards)
        else:
            writer.close()

    async with FaultServer(answer) as server:
        _, intervals = await run(part([server], plan(rate=20), segments(500), connections=1))
        assert server.connections >= 10
    assert outcomes(intervals) == {Outcome.OK: 10}


async def test_only_good_replies_have_a_latency() -> None:
    async with FaultServer(by_path) as server:
        report, intervals = await run(provoking(server, "bad-status"))  # counts are checked in it
    assert (report.completed, report.failed) == (20, 20)
    for interval in intervals:
        for operation in interval.operations.values():
            assert operation.response.total == operation.outcomes[Outcome.OK]
    assert sum(len(one.failed) for interval in intervals for one in interval.operations.values()) == 20


@pytest.mark.parametrize("reply", [OK, b"HTTP/1.0 200 OK\r\n\r\n{}"], ids=["sized", "until the end"])
async def test_a_reply_is_timed_by_its_last_bytes(reply: bytes) -> None:
    """30 ms lie between its beginning and its end, and the latency has them."""

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(reply[:-1])
        await asyncio.sleep(0.03)
        writer.write(reply[-1:])
        if b"Length" not in reply:
            writer.close()

    late: Answer = answer
    async with FaultServer(late) as server:
        _, intervals = await run(part([server], plan(rate=50), segments(100)))
    assert outcomes(intervals) == {Outcome.OK: 5}
    for interval in intervals:
        for operation in interval.operations.values():
            assert operation.service.min_ns >= 25 * MS
