"""One keep-alive HTTP/1.1 connection of the hot path: an asyncio.Protocol over httptools, one request at a time."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic_ns
from typing import TYPE_CHECKING, cast

import httptools

from perfgate.outcome import Outcome
from perfgate_agent.exchange import Exchange

if TYPE_CHECKING:
    from perfgate_agent.pool import Pool

MAX_BODY = 8 * 1024 * 1024
EXAMPLE_BYTES = 120


class Connection(asyncio.Protocol):
    """Belongs to one pool. The time of a reply is taken when its last bytes reach this process, before they are
    looked at."""

    __slots__ = ("_parser", "_parts", "_pool", "_size", "_transport", "closed", "exchange", "now_ns")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._size = 0
        self.exchange: Exchange | None = None
        self.now_ns = 0
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        endpoint = transport.get_extra_info("socket")
        if endpoint is not None:
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, exchange: Exchange) -> None:
        """The connection must be idle."""
        assert self._transport is not None
        self.exchange = exchange
        exchange.sent_ns = monotonic_ns()
        self._transport.write(exchange.payload)

    def data_received(self, data: bytes) -> None:
        self.now_ns = monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:  # incl. an upgrade that nobody asked for
            self._give_up(Outcome.BAD_REPLY, f"{type(error).__name__}: {data[:EXAMPLE_BYTES]!r}")

    def on_body(self, chunk: bytes) -> None:
        """Called by the parser."""
        self._size += len(chunk)
        if self._size <= MAX_BODY:
            self._parts.append(chunk)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        status = self._parser.get_status_code()
        if status < 200:  # an interim reply; the real one follows
            self._parts.clear()
            self._size = 0
            return
        parts, size, exchange = self._parts, self._size, self.exchange
        self._parts, self._size, self.exchange = [], 0, None
        if exchange is None:
            self.abort()  # a reply that nobody asked for: whatever comes next would be taken for another's
            return
        exchange.done_ns = self.now_ns
        if size > MAX_BODY:
            self.exchange = exchange
            self._give_up(Outcome.BAD_REPLY, f"a body of more than {MAX_BODY} bytes")
            return
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._pool.answered(self, exchange, status, body, self._parser.should_keep_alive())

    def connection_lost(self, error: Exception | None) -> None:
        exchange, self.exchange = self.exchange, None
        self.closed = True
        self._pool.lost(self)
        if exchange is not None:
            exchange.done_ns = monotonic_ns()
            reason = f"{type(error).__name__}: {error}" if error else "connection closed before the reply was complete"
            self._pool.failed(exchange, Outcome.RESET, reason)

    def abort(self) -> None:
        """Close at once, without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()

    def _give_up(self, outcome: Outcome, example: str) -> None:
        exchange, self.exchange = self.exchange, None
        self.abort()
        if exchange is not None:
            exchange.done_ns = self.now_ns
            self._pool.failed(exchange, outcome, example)
