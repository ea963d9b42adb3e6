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
    looked at. A reply that lasts until the connection's end, without a length, is a reset."""

    __slots__ = (
        "_begun", "_complete", "_keep", "_parser", "_parts", "_pool", "_size", "_status", "_transport", "closed",
        "exchange", "now_ns",
    )  # fmt: skip

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._size = 0
        self._begun = 0  # replies, interim ones included, that began and did not end
        self._complete = 0  # replies that ended in the bytes at hand
        self._status = 0
        self._keep = False
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
        parser = self._parser
        if parser is None:  # given up; what still comes is nobody's
            return
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._give_up(f"{type(error).__name__}: {data[:EXAMPLE_BYTES]!r}")
            return
        if self.exchange is None or self._begun + self._complete > 1:  # what follows would be taken for another's
            self._give_up("more replies than requests")
        elif self._complete:
            self._finish(self.exchange)
        elif self._size > MAX_BODY:
            self._give_up(f"a body of more than {MAX_BODY} bytes")

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._begun += 1

    def on_body(self, chunk: bytes) -> None:
        """Called by the parser."""
        self._size += len(chunk)
        if self._size <= MAX_BODY:
            self._parts.append(chunk)

    def on_message_complete(self) -> None:
        """Called by the parser. What it makes of the reply waits until it has seen all bytes at hand: an error raised
        from here would pass for one of the parser's."""
        parser = self._parser
        assert parser is not None
        self._begun -= 1
        self._status = parser.get_status_code()
        if self._status >= 200:
            self._complete += 1
            self._keep = parser.should_keep_alive()  # the parser forgets it afterwards
        else:  # an interim reply; the real one follows
            self._parts.clear()
            self._size = 0

    def eof_received(self) -> None:
        """An idle connection takes no request any more, even before the transport has noticed its end."""
        if self.exchange is None:
            self._pool.discard(self)

    def connection_lost(self, error: Exception | None) -> None:
        exchange, self.exchange = self.exchange, None
        self.closed = True
        self._parser = self._transport = None  # they hold this object, and nothing collects cycles during a run
        self._pool.lost(self)
        if exchange is not None:
            exchange.done_ns = monotonic_ns()
            reason = f"{type(error).__name__}: {error}" if error else "connection closed before the reply was complete"
            self._pool.failed(exchange, Outcome.RESET, reason)

    def abort(self) -> None:
        """Close at once, without waiting for anything."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def _finish(self, exchange: Exchange) -> None:
        parts, size = self._parts, self._size
        if size > MAX_BODY:
            self._give_up(f"a body of more than {MAX_BODY} bytes")
            return
        self._parts, self._size, self._complete, self.exchange = [], 0, 0, None
        exchange.done_ns = self.now_ns
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._pool.answered(self, exchange, self._status, body, self._keep)

    def _give_up(self, example: str) -> None:
        """No reply of the protocol: what else comes cannot be understood."""
        exchange, self.exchange = self.exchange, None
        self._parts, self._size = [], 0
        self._pool.discard(self)
        if exchange is not None:
            exchange.done_ns = self.now_ns
            self._pool.failed(exchange, Outcome.BAD_REPLY, example)
