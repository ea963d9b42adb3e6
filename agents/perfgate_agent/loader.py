"""Loads a data set into a store: a closed loop over several connections, verified afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from perfgate.address import Address
from perfgate.errors import TargetError
from perfgate.outcome import Outcome
from perfgate.targets.adapter import Adapter, BatchLoader
from perfgate.targets.protocol import Payload
from perfgate_agent.ask import ask
from perfgate_agent.content import BadContent
from perfgate_agent.exchange import Exchange
from perfgate_agent.pool import Pool
from perfgate_agent.prepare import finish, learn, prepare
from perfgate_agent.reply import Body, plain
from perfgate_agent.samples import find_samples

REQUEST_S = 60.0
SETTLE_S = 10.0


class NotFoundError(TargetError):
    """All memories were acknowledged and counted, and are not found again."""


@dataclass(frozen=True, slots=True)
class LoadingReport:
    """What the store holds afterwards, and how long it took; finish_ns of that for what followed loading: an index that was
    built and awaited."""

    count: int
    duration_ns: int
    finish_ns: int = 0


class Loader:
    """One load of `num_nodes` memories into the store at `address`."""

    def __init__(
        self, adapter: Adapter, address: Address, num_nodes: int, connections: int,
        progress: Callable[[float], None] = lambda fraction: None,
    ) -> None:  # fmt: skip
        self._adapter = adapter
        self._address = address
        self._num_nodes = num_nodes
        self._progress = progress
        self._connections = connections
        self._batch = adapter.load_batch if isinstance(adapter, BatchLoader) else 1
        self._pool = Pool(address, connections, self._answered, self._failed, adapter)
        self._next = self._done = 0
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def load(self) -> LoadingReport:
        """Raises TargetError saying which memory was refused, and with what words."""
        began = time.monotonic_ns()
        await prepare(self._adapter, self._address)
        await learn(self._adapter, self._address)
        watch = asyncio.ensure_future(self._watch())
        try:
            for _ in range(min(self._connections, self._num_nodes)):
                self._submit()
            await self._finished
        finally:
            watch.cancel()
            await self._pool.close()
        count = await self._count()
        finishing = time.monotonic_ns()
        await finish(self._adapter, self._address)
        finish_ns = time.monotonic_ns() - finishing
        if problem := await find_samples(self._adapter, self._address, self._num_nodes):
            raise NotFoundError(f"{self._num_nodes} memories were loaded, but {problem}")
        self._progress(1.0)
        return LoadingReport(count, time.monotonic_ns() - began, finish_ns)

    def _submit(self) -> None:
        if self._next < self._num_nodes:
            nodes = range(self._next, min(self._next + self._batch, self._num_nodes))
            payload = self._adapter.encode_load_batch(nodes) if self._batch > 1 else None
            if payload is None:
                payload, nodes = self._adapter.encode_load(self._next), nodes[:1]
            # Its key is the first memory, its index how many they are.
            request = Exchange(time.monotonic_ns(), 0, len(nodes), self._next, False, None, payload)
            self._next += len(nodes)
            self._pool.submit(request)

    def _answered(self, request: Exchange, status: int, body: Body) -> None:
        if self._finished.done():
            return
        try:
            problem = self._adapter.loaded(status, plain(body))
        except BadContent as error:
            problem = str(error)
        if problem:
            self._fail(request, problem)
            return
        before, self._done = self._done, self._done + request.index
        if before // 500 < self._done // 500:
            self._progress(self._done / self._num_nodes)
        if self._done == self._num_nodes:
            self._finished.set_result(None)
        else:
            self._submit()

    def _failed(self, request: Exchange, outcome: Outcome, example: str) -> None:
        if outcome is not Outcome.ABANDONED and not self._finished.done():
            self._fail(request, f"{outcome.label} ({example})")

    def _fail(self, request: Exchange, problem: str) -> None:
        self._finished.set_exception(
            TargetError(
                f"loading memory {request.key + 1} of {self._num_nodes} failed: {problem}; is that what the target file expects?"
            )
        )

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            self._pool.sweep(time.monotonic_ns(), round(REQUEST_S * 1e9))

    async def _count(self) -> int:
        """The store's own count, once it has settled."""
        deadline, count = time.monotonic() + SETTLE_S, -1
        while True:
            try:
                count = self._adapter.read_count(*await self._ask(self._adapter.encode_count()))
            except ValueError as error:
                raise TargetError(f"the store's count cannot be read after loading: {error}") from error
            if count == self._num_nodes:
                return count
            if time.monotonic() > deadline:
                raise TargetError(
                    f"the store holds {count} memories after {self._num_nodes} were loaded and acknowledged: it drops or "
                    "merges some (are vectors too similar?), or counts another memory space"
                )
            await asyncio.sleep(0.1)

    async def _ask(self, request: Payload) -> tuple[int, bytes]:
        try:
            return await ask(self._adapter, self._address, request, REQUEST_S)
        except (OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise TargetError(f"the store at {self._address} stopped answering while loading: {reason}") from error


async def load_nodes(
    adapter: Adapter, address: Address, num_nodes: int, connections: int,
    progress: Callable[[float], None] = lambda fraction: None,
) -> LoadingReport:  # fmt: skip
    """See Loader."""
    return await Loader(adapter, address, num_nodes, connections, progress).load()
