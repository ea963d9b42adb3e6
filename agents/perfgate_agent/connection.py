"""One kept connection of the hot path, for protocols of bytes: an asyncio.Protocol with one request at a time."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic_ns
from typing import TYPE_CHECKING, Protocol, cast

from perfgate.outcome import Outcome
from perfgate_agent.exchange import Exchange
from perfgate_agent.reply import Body
from perfgate_agent.reply_reader import SURPLUS, Step
from perfgate_agent.tcp_info import unacknowledged

if TYPE_CHECKING:
    from perfgate_agent.pool import Pool

LEAST_UNACKNOWLEDGED = 1024
"""Of a long request only the beginning may have been sent."""


class Reader(Protocol):
    """Tells one reply after the other apart; ReplyReader says it of HTTP/1.1, RespReader of RESP.

    status, keep: of a complete reply, and whether the connection can be used again. received: bytes of the reply so far.
    outcome, example: why it is BROKEN.
    """

    status: int
    keep: bool
    received: int
    outcome: Outcome
    example: str

    def feed(self, data: bytes) -> Step:
        """Take the next bytes."""
        ...

    def end(self, orderly: bool = True) -> Step:
        """The connection has ended; DONE for a reply that lasts until then."""
        ...

    def take(self) -> Body:
        """The body of the reply that is complete, and be ready for the next one."""
        ...

    def give_up(self, outcome: Outcome, example: str) -> Step:
        """Nothing that still comes can be understood."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class Connection(asyncio.Protocol):
    """Belongs to one pool. The time of a reply is taken when its last bytes reach this process, before they are
    looked at; that of a reply without a length when the end of the connection does."""

    __slots__ = ("_orderly", "_pool", "_reader", "_served", "_transport", "closed", "exchange", "now_ns")

    def __init__(self, pool: Pool, reader: Reader) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._reader = reader
        self._served = False
        self._orderly = False
        self.exchange: Exchange | None = None
        self.now_ns = 0
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        endpoint = transport.get_extra_info("socket")
        if endpoint is not None and endpoint.family != socket.AF_UNIX:
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, exchange: Exchange) -> None:
        """The connection must be idle."""
        assert self._transport is not None
        self.exchange = exchange
        assert isinstance(exchange.payload, bytes)
        exchange.sent_ns = monotonic_ns()
        self._transport.write(exchange.payload)

    def data_received(self, data: bytes) -> None:
        self.now_ns = monotonic_ns()
        reader = self._reader
        step = reader.feed(data)
        if self.exchange is None:
            if step is not Step.BROKEN:
                reader.give_up(Outcome.BAD_REPLY, SURPLUS)
            self._pool.discard(self)
        elif step is Step.DONE:
            self._finish(self.exchange)
        elif step is Step.BROKEN:
            self._fail(reader.outcome, reader.example)

    def eof_received(self) -> None:
        """An idle connection takes no request any more, even before the transport has noticed its end. With TLS this is
        the close_notify: without it the end may be anybody's doing."""
        self._orderly = True
        if self.exchange is None:
            self._pool.discard(self)
        else:
            self._ended(self.exchange)

    def connection_lost(self, error: Exception | None) -> None:
        exchange = self.exchange
        self.closed = True
        if exchange is not None:
            if error is None:
                self._ended(exchange)
            elif isinstance(error, BrokenPipeError) and self._served and not self._reader.received:
                self._fail_at(Outcome.STALE_CONNECTION, f"BrokenPipeError: {error}")
            else:
                self._fail_at(Outcome.RESET, f"{type(error).__name__}: {error}")
        self._reader.close()
        self._transport = None  # it holds this object, and nothing collects cycles during a run
        self._pool.lost(self)

    def abort(self) -> None:
        """Close at once, without waiting for anything."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def _finish(self, exchange: Exchange) -> None:
        reader = self._reader
        self.exchange = None
        self._served = True
        exchange.done_ns = self.now_ns
        status, body = reader.status, reader.take()
        self._pool.answered(self, exchange, status, body, reader.keep)

    def _ended(self, exchange: Exchange) -> None:
        """The other side has closed, and sends nothing more."""
        self.now_ns = monotonic_ns()
        step = self._reader.end(self._orderly)
        if step is Step.DONE:
            self._finish(exchange)
        elif step is Step.BROKEN:
            self._fail(self._reader.outcome, self._reader.example)
        elif self._served and self._came_too_late(exchange):
            self._fail(Outcome.STALE_CONNECTION, "the kept-alive connection had been closed before the request came")
        else:
            self._fail(Outcome.RESET, "connection closed before the first byte of the reply")

    def _came_too_late(self, exchange: Exchange) -> bool:
        """The request never reached the other side, as far as the kernel can tell."""
        transport = self._transport
        if transport is None or not isinstance(exchange.payload, bytes):
            return False
        size = len(exchange.payload)
        if transport.get_write_buffer_size() >= size:
            return True  # it never left this process
        endpoint = transport.get_extra_info("socket")
        return endpoint is not None and unacknowledged(endpoint) >= min(size, LEAST_UNACKNOWLEDGED)

    def _fail_at(self, outcome: Outcome, example: str) -> None:
        self.now_ns = monotonic_ns()
        self._fail(outcome, example)

    def _fail(self, outcome: Outcome, example: str) -> None:
        """The exchange has ended without a reply that could be used, and so has the connection."""
        exchange, self.exchange = self.exchange, None
        self._reader.close()
        self._pool.discard(self)
        if exchange is not None:
            exchange.done_ns = self.now_ns
            self._pool.failed(exchange, outcome, example)
