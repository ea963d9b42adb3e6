"""Every way in which a request can end is told apart from the others, by real bytes from a real server."""

from __future__ import annotations

import asyncio

import pytest
from fault_server import OK, Answer, FaultServer, always, silent
from load_cases import MS, outcomes, part, plan, run, segments
from perfgate_agent import reply_reader
from perfgate_agent.ports import free_ports

from perfgate.outcome import Outcome

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        pytest.param(always(OK), Outcome.OK, "", id="as asked"),
        pytest.param(always(*(OK[i : i + 1] for i in range(len(OK)))), Outcome.OK, "", id="byte by byte"),
        pytest.param(
            always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n}\r\n0\r\n\r\n"),
            Outcome.OK, "", id="chunked",
        ),
        pytest.param(always(b"HTTP/1.1 100 Continue\r\n\r\n", OK), Outcome.OK, "", id="interim reply"),
        pytest.param(always(b"HTTP/1.1 100 Continue\r\n\r\n" + OK), Outcome.OK, "", id="interim reply in the same bytes"),
        pytest.param(
            always(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", close=True),
            Outcome.OK, "", id="connection: close",
        ),
        pytest.param(always(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), Outcome.BAD_STATUS, "503", id="bad status"),
        pytest.param(always(REPLY % (5, b"wrong")), Outcome.WRONG_ANSWER, "wrong", id="wrong answer"),
        pytest.param(always(b"\x16\x03\x01 what is this?\r\n\r\n"), Outcome.BAD_REPLY, "what is this", id="garbage"),
        pytest.param(
            always(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            Outcome.BAD_REPLY, "Upgrade", id="upgrade",
        ),
        pytest.param(always(OK + OK), Outcome.BAD_REPLY, "more replies", id="two replies at once"),
        pytest.param(always(REPLY % (101, b"x" * 101)), Outcome.TOO_LARGE, "100 bytes", id="body over the bound"),
        pytest.param(always(REPLY % (9_999, b"x" * 101)), Outcome.TOO_LARGE, "100 bytes", id="endless body"),
        pytest.param(always(REPLY % (5, b"wr"), close=True), Outcome.TRUNCATED, "closed after", id="cut short"),
        pytest.param(always(close=True), Outcome.RESET, "before the first", id="closed without a reply"),
    ],
)  # fmt: skip
async def test_each_reply_has_its_outcome(
    answer: Answer, expected: Outcome, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_reader, "MAX_BODY", 100)
    async with FaultServer(answer) as server:
        report, intervals = await run(part([server], plan(), segments(200)))
    assert outcomes(intervals) == {expected: 40}
    assert report.sent == len(server.requests) == 40
    if expected is not Outcome.OK:
        assert report.failed == 40
        assert any(words in example for one in intervals for example in one.examples)


async def test_a_body_just_within_the_bound_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_reader, "MAX_BODY", 100)
    async with FaultServer(always(REPLY % (100, b"x" * 100))) as server:
        _, intervals = await run(part([server], plan(), segments(200)))
    assert outcomes(intervals) == {Outcome.OK: 40}


async def test_a_reset_in_the_middle_of_a_reply_is_a_reset() -> None:
    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(REPLY[:12])
        await asyncio.sleep(0.01)
        writer.transport.abort()

    async with FaultServer(answer) as server:
        _, intervals = await run(part([server], plan(), segments(200)))
    assert outcomes(intervals) == {Outcome.RESET: 40}


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


async def test_connections_that_the_server_closes_when_idle_cost_no_request() -> None:
    """The server closes each connection 10 ms after a reply; requests are 50 ms apart."""

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await asyncio.sleep(0.01)
        writer.close()

    async with FaultServer(answer) as server:
        _, intervals = await run(part([server], plan(rate=20), segments(500), connections=1))
        assert server.connections >= 10
    assert outcomes(intervals) == {Outcome.OK: 10}


async def test_bytes_on_an_idle_connection_close_it_before_it_is_used_again() -> None:
    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await asyncio.sleep(0.01)
        writer.write(OK)

    async with FaultServer(answer) as server:
        _, intervals = await run(part([server], plan(rate=20), segments(500), connections=1))
        assert server.connections >= 10
    assert outcomes(intervals) == {Outcome.OK: 10}


async def test_only_good_replies_have_a_latency() -> None:
    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK if len(server.requests) % 2 else b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    async with FaultServer(answer) as server:
        report, intervals = await run(part([server], plan(), segments(200)))  # counts are checked in it
    assert outcomes(intervals) == {Outcome.OK: 20, Outcome.BAD_STATUS: 20}
    assert (report.completed, report.failed) == (20, 20)
    assert sum(len(part.failed) for one in intervals for part in one.operations.values()) == 20
