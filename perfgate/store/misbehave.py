"""How the store is made worse, on request."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time

import numpy as np
from numpy.typing import NDArray

from perfgate.operation import Operation
from perfgate.store.api import Refusal, Reply
from perfgate.store.fair_share import FairShare
from perfgate.store.memory_space import Hits, MemorySpace
from perfgate.store.options import Misbehaviour
from perfgate.store.recent_times import RecentTimes
from perfgate.units import NS_PER_S

UNSEEN_NS = 115_000
"""What a request costs from end to end outside of what the server can time: the kernel's part, writing the reply and
the client's own reading. Measured with a raw-socket client on loopback; `--slow` multiplies it too."""

DEATH_STATUS = 70

CEILING = 0.95
"""Beyond this quantile of the operation's own times `--slow-fastest` slows nothing: the tail stays as it is."""

WARM_RESULTS = 10


class Mischief:
    """Applies the switches to requests. Chance comes from a fixed seed."""

    def __init__(self, switches: Misbehaviour) -> None:
        self._switches = switches
        self._chance = random.Random(1)
        self._seen = 0
        self._leaked: list[bytes] = []
        self._free_ns = 0
        self._done_ns = 0
        self._asked_s = -float("inf")
        self._fair = None if switches.space_rate is None else FairShare(switches.space_rate)
        self._is_loading = True
        ranked = (*switches.slow_fastest, *switches.slow_slowest)
        self._times = {operation: RecentTimes() for operation in ranked}

    async def before(self, operation: Operation, space: str = "default") -> Reply | None:
        """Counts, leaks, dies, waits for capacity; a reply if the request is to fail."""
        self._seen += 1
        self._asked_s = time.monotonic()
        self._is_loading = self._is_loading and operation is Operation.STORE
        if self._fair and not self._is_loading and not self._fair.admits(space, self._asked_s):
            return Refusal(429, "TOO_MANY_REQUESTS", "beyond the rate of one memory space").reply
        self._freeze()
        if self._switches.die_after is not None and self._seen > self._switches.die_after:
            os._exit(DEATH_STATUS)
        if self._switches.leak_bytes:
            self._leaked.append(b"\x01" * self._switches.leak_bytes)
        if self._switches.capacity is not None:
            await self._wait_in_line(self._switches.capacity)
        share, status = self._switches.fail.get(operation, (0.0, 500))
        if share and self._chance.random() < share:
            return Refusal(status, "INJECTED_FAILURE", "asked for by --fail").reply
        return None

    @property
    def is_busy(self) -> bool:
        """Whether the health page says so."""
        return time.monotonic() - self._asked_s < self._switches.busy_health_s

    def drops(self, space: MemorySpace, vector: NDArray[np.float32]) -> bool:
        """Whether a memory is acknowledged without being stored."""
        least = self._switches.drop_similar
        return least is not None and any(score >= least for _, score in space.search_embedding(vector, 1))

    def is_empty(self, operation: Operation) -> bool:
        return operation in self._switches.wrong_empty

    def after(self, operation: Operation, arrived_ns: int) -> None:
        """Spins until the request has taken as long as it is told to.

        What counts is its own time: from when its bytes arrived, or from when the request before it was done, if it
        had to wait for that. The wait itself is not multiplied, just as with code that really is slower; otherwise a
        line of n requests would take factor ** n.
        """
        began_ns = max(arrived_ns, self._done_ns)
        natural_ns = time.monotonic_ns() - began_ns + UNSEEN_NS
        wanted_ns = max(self._factor(operation) * natural_ns, self._by_rank(operation, natural_ns))
        if wanted_ns > natural_ns:
            until_ns = began_ns + round(wanted_ns) - UNSEEN_NS
            while time.monotonic_ns() < until_ns:
                pass
        self._done_ns = time.monotonic_ns()

    def distort(self, space: MemorySpace, hits: Hits) -> Hits:
        """Memories of the warm tier first; then some hits replaced by any other memory, with their scores."""
        share, slots = self._switches.forget, space.num_slots
        if self._switches.warm_tier is not None:
            hits = [*_warm(space, self._switches.warm_tier), *hits][:WARM_RESULTS]
        if not share:
            return hits
        return [
            (self._chance.randrange(slots), score) if self._chance.random() < share else (slot, score)
            for slot, score in hits
        ]

    def start_stalling(self, loop: asyncio.AbstractEventLoop) -> None:
        """Blocks the whole server now and then."""
        if self._switches.stall is None:
            return
        seconds, period = self._switches.stall

        def stall(due: float) -> None:
            time.sleep(seconds)
            following = max(due + period, loop.time())
            loop.call_at(following, stall, following)

        loop.call_later(period, stall, loop.time() + period)

    def _freeze(self) -> None:
        """The whole server, once."""
        if self._switches.freeze is not None and self._seen == self._switches.freeze[0]:
            time.sleep(self._switches.freeze[1])

    def _factor(self, operation: Operation) -> float:
        factor = self._switches.slow.get(operation, 1.0)
        tail = self._switches.slow_tail.get(operation)
        if tail is not None and self._chance.random() < tail[1]:
            return factor * tail[0]
        return factor

    def _by_rank(self, operation: Operation, natural_ns: int) -> float:
        """How long a request is to take whose rank among the last ones decides. Waiting in line is no part of it, so
        that the ranks are those of the store's own work."""
        times = self._times.get(operation)
        if times is None:
            return 0.0
        wanted_ns = 0.0
        if operation in self._switches.slow_fastest:
            factor, share = self._switches.slow_fastest[operation]
            edge_ns, ceiling_ns = times.quantile(share), times.quantile(CEILING)
            if edge_ns is not None and ceiling_ns is not None and natural_ns <= edge_ns:
                wanted_ns = min(factor * natural_ns, ceiling_ns)
        if operation in self._switches.slow_slowest:
            factor, share = self._switches.slow_slowest[operation]
            floor_ns = times.quantile(1.0 - share)
            if floor_ns is not None and natural_ns > floor_ns:
                wanted_ns = factor * natural_ns
        times.add(natural_ns)
        return wanted_ns

    async def _wait_in_line(self, rate: float) -> None:
        now_ns = time.monotonic_ns()
        self._free_ns = max(now_ns, self._free_ns) + round(NS_PER_S / rate)
        await asyncio.sleep((self._free_ns - now_ns) / NS_PER_S)


def _warm(space: MemorySpace, confidence: float) -> Hits:
    """The oldest memories of less confidence."""
    memories = ((slot, space.at(slot)) for slot in range(space.num_slots))
    warm = (slot for slot, memory in memories if memory is not None and memory[2] < confidence)
    return [(slot, 1.0) for slot in itertools.islice(warm, WARM_RESULTS)]
