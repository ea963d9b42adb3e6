"""The connections to one store: opened ahead, grown to the limit while replies are slow, a queue beyond it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic_ns

from perfgate.address import Address
from perfgate.outcome import Outcome
from perfgate_agent.dial import AnyConnection, dialer
from perfgate_agent.exchange import Exchange
from perfgate_agent.local_limit import LOCAL_ERRORS
from perfgate_agent.reply import Body

OPEN_AHEAD = 8
CONNECT_S = 5.0

Answered = Callable[[Exchange, int, Body], None]
Failed = Callable[[Exchange, Outcome, str], None]


class Pool:
    """`on_answer` gets complete replies, `on_failure` everything else; each exchange ends exactly once. adapter: says what
    is spoken; None: HTTP/1.1."""

    def __init__(
        self, address: Address, limit: int, on_answer: Answered, on_failure: Failed, adapter: object = None
    ) -> None:
        self._limit = limit
        self._dial = dialer(adapter, address)
        self._on_answer, self._on_failure = on_answer, on_failure
        self._idle: list[AnyConnection] = []
        self._all: set[AnyConnection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[Exchange] = deque()
        self._closing = False
        self.refused_since_ns = 0
        """Since when no connection could be opened; 0 while one is open or none was tried."""

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._all)

    async def open_ahead(self) -> None:
        """Some connections before the first request is due. A store that refuses them is seen when requests are."""
        for _ in range(min(OPEN_AHEAD, self._limit) - len(self._all)):
            self._open_one()
        await asyncio.gather(*self._opening)

    def submit(self, exchange: Exchange) -> None:
        """Send now, on the connection that was used last, or as soon as there is one."""
        if self._idle:
            self._idle.pop().send(exchange)
            return
        exchange.wait_ns = -monotonic_ns()
        self._waiting.append(exchange)
        if len(self._all) + len(self._opening) < self._limit:
            self._open_one()

    def sweep(self, now_ns: int, timeout_ns: int) -> None:
        """End every exchange whose time is over: counted from when it was due."""
        oldest = now_ns - timeout_ns
        while self._waiting and self._waiting[0].at_ns < oldest:
            self.failed(self._waiting.popleft(), Outcome.TIMEOUT, "timed out waiting for a connection")
        for connection in list(self._all):
            exchange = connection.exchange
            if exchange is not None and exchange.at_ns < oldest:
                connection.exchange = None
                self.discard(connection)
                exchange.done_ns = now_ns
                self.failed(exchange, Outcome.TIMEOUT, f"no complete reply within {timeout_ns / 1e9:g} s")

    def give_up_waiting(self) -> None:
        """Requests that wait for a connection are not sent any more."""
        while self._waiting:
            self.failed(self._waiting.popleft(), Outcome.ABANDONED, "")

    def give_up_all(self) -> None:
        """Neither are replies waited for."""
        self.give_up_waiting()
        for connection in list(self._all):
            exchange, connection.exchange = connection.exchange, None
            if exchange is not None:
                self.discard(connection)
                self.failed(exchange, Outcome.ABANDONED, "")

    async def close(self) -> None:
        """Close all connections; whatever is under way ends as abandoned."""
        self._closing = True
        self.give_up_all()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in list(self._all):
            connection.abort()
        await asyncio.sleep(0)

    def answered(self, connection: AnyConnection, exchange: Exchange, status: int, body: Body, keep: bool) -> None:
        """Called by a connection; the next request goes out before this reply is looked at."""
        if not keep:
            self.discard(connection)
        elif self._waiting:
            self._send_waiting(connection)
        else:
            self._idle.append(connection)
        self._on_answer(exchange, status, body)

    def failed(self, exchange: Exchange, outcome: Outcome, example: str) -> None:
        """Called by a connection or the pool itself: the exchange has ended without a reply."""
        self._on_failure(exchange, outcome, example)

    def lost(self, connection: AnyConnection) -> None:
        """Called by a connection that is closed."""
        if connection in self._all:
            self._all.remove(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._replace()

    def discard(self, connection: AnyConnection) -> None:
        """Close a connection that cannot be used any more, before the next request is given to it."""
        connection.abort()
        self.lost(connection)

    def _replace(self) -> None:
        if self._waiting and not self._closing and len(self._all) + len(self._opening) < self._limit:
            self._open_one()

    def _send_waiting(self, connection: AnyConnection) -> None:
        exchange = self._waiting.popleft()
        connection.send(exchange)
        exchange.wait_ns += exchange.sent_ns

    def _open_one(self) -> None:
        task = asyncio.ensure_future(self._open())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await self._dial(self)
        except OSError as error:  # which TimeoutError and ssl.SSLError are, too
            self._refused(error)
            return
        self.refused_since_ns = 0
        if connection.closed:  # before anybody could use it
            self._replace()
            return
        self._opening.discard(asyncio.current_task())  # before a reply can come
        self._all.add(connection)
        if self._waiting:
            self._send_waiting(connection)
        else:
            self._idle.append(connection)

    def _refused(self, error: OSError) -> None:
        """Of the store's refusals nobody hears who may yet get a connection that is open. A limit of this machine's ends
        the request that wanted one more: it would otherwise wait for what only this machine is to blame for."""
        local = error.errno in LOCAL_ERRORS
        if not self._all and not local and not self.refused_since_ns:
            self.refused_since_ns = monotonic_ns()
        if self._waiting and (local or not self._all):
            exchange = self._waiting.popleft()
            exchange.done_ns = monotonic_ns()
            outcome = Outcome.LOCAL_LIMIT if local else Outcome.REFUSED
            self.failed(exchange, outcome, f"{type(error).__name__}: {error}")
            asyncio.get_running_loop().call_later(0.001, self._replace)
