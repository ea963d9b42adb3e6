"""One connection of a store's own client, in a pool's terms: a call at a time."""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING

from perfgate.outcome import Outcome
from perfgate.targets.protocol import Call, Session
from perfgate_agent.exchange import Exchange

if TYPE_CHECKING:
    from perfgate_agent.pool import Pool


class CallConnection:
    """Belongs to one pool. A reply's time is taken when the client library has read it, so that what the library itself
    costs is part of it, in both arms alike."""

    __slots__ = ("_pool", "_session", "_task", "closed", "exchange")

    def __init__(self, pool: Pool, session: Session) -> None:
        self._pool = pool
        self._session = session
        self._task: asyncio.Task[None] | None = None
        self.exchange: Exchange | None = None
        self.closed = session.closed
        session.when_closed(self._ended)

    def send(self, exchange: Exchange) -> None:
        """The connection must be idle."""
        self.exchange = exchange
        exchange.sent_ns = monotonic_ns()
        self._task = asyncio.ensure_future(self._call(exchange))

    def abort(self) -> None:
        """Close at once, without waiting for anything."""
        self.closed = True
        self._session.abort()

    async def _call(self, exchange: Exchange) -> None:
        payload = exchange.payload
        assert isinstance(payload, Call)
        if self._session.closed:  # nobody has heard of it yet
            self._fail(exchange, Outcome.STALE_CONNECTION, "the kept connection had been closed before the call came")
            return
        try:
            status, body = await self._session.call(payload)
        except OSError as error:
            self._fail(exchange, Outcome.RESET, f"{type(error).__name__}: {error}")
            return
        except ValueError as error:
            self._fail(exchange, Outcome.BAD_REPLY, str(error))
            return
        except Exception as error:  # no reply's fault: whoever drives this load must hear of it
            asyncio.get_running_loop().call_exception_handler({"message": "a call failed", "exception": error})
            self._fail(exchange, Outcome.BAD_REPLY, repr(error))
            return
        if self.exchange is exchange:  # it may have timed out meanwhile
            exchange.done_ns = monotonic_ns()
            self.exchange = self._task = None
            self._pool.answered(self, exchange, status, body, not self._session.closed)

    def _fail(self, exchange: Exchange, outcome: Outcome, example: str) -> None:
        """The exchange has ended without a reply that could be used, and so has the connection."""
        if self.exchange is not exchange:
            return
        exchange.done_ns = monotonic_ns()
        self.exchange = self._task = None
        self._pool.discard(self)
        self._pool.failed(exchange, outcome, example)

    def _ended(self) -> None:
        """The store has closed it. A call under way hears of that itself."""
        self.closed = True
        if self.exchange is None:
            self._pool.lost(self)
