"""A load over the Redis protocol: each way in which a command can end has its outcome, by real bytes from a real server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fault_server import Answer, FaultServer, always, reset, silent
from load_cases import MS, PlainAdapter, outcomes, part, plan, run, segments
from perfgate_agent.ask import ask
from perfgate_agent.loader import load_nodes
from perfgate_agent.part import Part
from perfgate_agent.ports import free_ports
from perfgate_agent.reply_reader import MAX_BODY

from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.segment import Arm
from perfgate.targets.adapter import GOOD, Judgement, Shape
from perfgate.targets.protocol import UNREADY, VALUE, WireProtocol
from perfgate.targets.resp import command, decode

OK = b"+OK\r\n"

pytestmark = pytest.mark.usefixtures("driver")


async def commands(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Each as it came."""
    while True:
        whole = line = await reader.readuntil(b"\r\n")
        for _ in range(int(line[1:])):
            size = await reader.readuntil(b"\r\n")
            whole += size + await reader.readexactly(int(size[1:]) + 2)
        yield whole


def server(answer: Answer) -> FaultServer:
    return FaultServer(answer, split=commands)


class RespAdapter(PlainAdapter):
    """`ASK operation key index`; +OK is right."""

    protocol = WireProtocol.RESP

    def encode(self, operation: Operation, key: int, index: int) -> bytes:
        return command(b"ASK", operation.encode(), b"%d" % key, b"%d" % index)

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        if status != VALUE:
            return Judgement(Outcome.BAD_STATUS, example=body.decode())
        return GOOD if decode(body) == b"OK" else Judgement(Outcome.WRONG_ANSWER, example=body.decode())

    def shape(self, operation: Operation) -> Shape:
        return Shape(VALUE, b"+")

    def loaded(self, status: int, body: bytes) -> str:
        return "" if status == VALUE else body.decode()

    def encode_count(self) -> bytes:
        return command(b"COUNT")

    def read_count(self, status: int, body: bytes) -> int:
        return int(decode(body))

    def alive_request(self) -> bytes:
        return command(b"PING")


def spoken(port: int, **fields: Any) -> Part:
    """Forty commands in 200 ms."""
    return part([port], plan(), segments(200), adapters={Arm.BASE: RespAdapter()}, **fields)


@pytest.mark.parametrize(
    ("answer", "outcome", "example"),
    [
        (always(OK), Outcome.OK, ""),
        (always(b"+O", b"K", b"\r", b"\n"), Outcome.OK, ""),
        (always(b">1\r\n+news\r\n" + OK), Outcome.OK, ""),
        (always(b"-ERR unknown command\r\n"), Outcome.BAD_STATUS, "-ERR unknown command"),
        (always(b"$5\r\nwrong\r\n"), Outcome.WRONG_ANSWER, "wrong"),
        (always(b"HTTP/1.1 200 OK\r\n\r\n"), Outcome.BAD_REPLY, "RESP|Redis"),
        (always(OK + OK), Outcome.BAD_REPLY, "more replies than requests"),
        (always(b"*2\r\n" + OK, close=True), Outcome.TRUNCATED, "closed"),
        (always(close=True), Outcome.RESET, "closed before"),
        (reset(), Outcome.RESET, "reset"),
        (always(b"$%d\r\n" % (MAX_BODY + 1)), Outcome.TOO_LARGE, "of more than"),
        (silent, Outcome.TIMEOUT, "no complete reply"),
    ],
)  # fmt: skip
async def test_each_way_to_end_has_its_outcome(answer: Answer, outcome: Outcome, example: str) -> None:
    async with server(answer) as store:
        report, intervals = await run(
            spoken(store.port, connections=40, timeout_ns=(400 if outcome is Outcome.TIMEOUT else 5000) * MS)
        )
    assert outcomes(intervals) == {outcome: 40}
    assert report.sent == len(store.requests) == 40, "nothing is sent again in secret"
    told = [one for interval in intervals for one in interval.examples]
    assert any(re.search(example, one, re.IGNORECASE) for one in told) or outcome is Outcome.OK, told


async def test_connections_are_kept_and_each_command_waits_for_the_reply_before_it() -> None:
    async with server(always(OK)) as store:
        await run(spoken(store.port, connections=1))
    assert store.connections == 1


async def test_a_store_that_is_not_there_refuses() -> None:
    _, intervals = await run(spoken(free_ports(1)[0]))
    assert set(outcomes(intervals)) == {Outcome.REFUSED}


async def test_a_store_is_loaded_and_counted_over_the_same_protocol() -> None:
    stored: list[bytes] = []

    async def answer(store: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        parts = decode(request)
        if parts[0] == b"COUNT":
            writer.write(b":%d\r\n" % len(stored))
        else:
            stored.append(parts[2])
            writer.write(OK)

    adapter = RespAdapter()
    adapter.operations = frozenset()  # nothing is searched for afterwards
    async with server(answer) as store:
        report = await load_nodes(adapter, store.address, 50, connections=3)
    assert report.count == 50
    assert sorted(map(int, stored)) == list(range(50))


async def test_a_store_that_still_loads_its_data_is_not_ready() -> None:
    async with server(always(b"-LOADING Redis is loading the dataset in memory\r\n")) as store:
        status, _ = await ask(RespAdapter(), store.address, command(b"PING"), 5.0)
    assert status == UNREADY


async def test_what_is_no_reply_is_told_outside_a_run_too() -> None:
    async with server(always(b"HTTP/1.1 200 OK\r\n")) as store:
        with pytest.raises(ValueError, match="no RESP"):
            await ask(RespAdapter(), store.address, command(b"PING"), 5.0)
