"""Claims about single connections that a whole run would show only now and then."""

from __future__ import annotations

import asyncio
import gc

import pytest
from fault_server import OK, FaultServer, always
from load_cases import outcomes, part, plan, run, segments
from perfgate_agent.connection import Connection
from perfgate_agent.exchange import Exchange
from perfgate_agent.pool import Pool

from perfgate.address import Address
from perfgate.outcome import Outcome


class Client:
    """A pool of one connection, and what it says of each exchange."""

    def __init__(self, server: FaultServer) -> None:
        self.ended: asyncio.Queue[tuple[int, bytes | Outcome]] = asyncio.Queue()
        self.pool = Pool(
            Address("127.0.0.1", server.port), 1,
            lambda exchange, status, body: self.ended.put_nowait((exchange.index, body)),
            lambda exchange, outcome, example: self.ended.put_nowait((exchange.index, outcome)),
        )  # fmt: skip

    async def ask(self, index: int) -> bytes | Outcome:
        self.pool.submit(Exchange(1, 0, index, 0, False, None, b"GET /%d HTTP/1.1\r\n\r\n" % index))
        async with asyncio.timeout(10):
            ended, result = await self.ended.get()
        assert ended == index
        return result


async def test_closed_connections_leave_nothing_behind_while_no_garbage_is_collected() -> None:
    """A run of hours against a server that closes after every reply must not fill the memory."""
    gc.collect()
    gc.disable()
    try:
        async with FaultServer(
            always(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", close=True)
        ) as server:
            client = Client(server)
            for index in range(20):
                assert await client.ask(index) == b"{}"
            await client.pool.close()
            assert server.connections == 20
        assert sum(isinstance(thing, Connection) for thing in gc.get_objects()) <= 1
    finally:
        gc.enable()


@pytest.mark.parametrize("rest", [b"H", b"HTTP/1.1 200 OK\r\n", OK[:-1], OK], ids=["a byte", "a line", "most", "whole"])
async def test_a_reply_that_goes_on_into_another_is_no_reply(rest: bytes) -> None:
    """What begins after the reply would be taken for the answer to the next request."""
    async with FaultServer(always(OK + rest)) as server:
        client = Client(server)
        assert [await client.ask(index) for index in range(3)] == [Outcome.BAD_REPLY] * 3
        assert server.connections == 3
        await client.pool.close()


@pytest.mark.parametrize("unasked", [b"H", OK[:-1], OK], ids=["a byte", "most of a reply", "a reply"])
async def test_unasked_bytes_never_become_the_answer_to_the_next_request(unasked: bytes) -> None:
    sent = asyncio.Event()

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % len(server.requests))
        await asyncio.sleep(0.01)
        writer.write(unasked)
        sent.set()

    async with FaultServer(answer) as server:
        client = Client(server)
        for index in range(3):
            assert await client.ask(index) == b"%d" % (index + 1)
            await sent.wait()
            sent.clear()
            while client.pool.connections:
                await asyncio.sleep(0)
        await client.pool.close()


async def test_a_connection_at_its_end_takes_no_further_request() -> None:
    """The server sends its end right after each reply; no request is lost to it once that has been read."""

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.write_eof()

    async with FaultServer(answer) as server:
        client = Client(server)
        for index in range(20):
            assert await client.ask(index) == b"{}"
            while client.pool.connections:
                await asyncio.sleep(0)
        assert server.connections == 20
        await client.pool.close()


async def test_an_idle_connection_leaves_the_pool_as_soon_as_its_end_is_read() -> None:
    """Not only when the transport closes, a turn of the loop later, by when a request may have been given to it."""
    async with FaultServer(always(OK)) as server:
        client = Client(server)
        assert await client.ask(0) == b"{}"
        (connection,) = client.pool._all
        connection.eof_received()
        assert client.pool.connections == 0
        assert await client.ask(1) == b"{}"
        await client.pool.close()


async def test_an_endless_interim_reply_ends_with_the_timeout() -> None:
    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.sleep(0.001)

    async with FaultServer(answer) as server:
        _, intervals = await run(part([server], plan(rate=50), segments(100), timeout_ns=100_000_000))
    assert outcomes(intervals) == {Outcome.TIMEOUT: 5}
