"""Plays a run: sends every request when it is due, whatever the replies do (open loop), and records how each ended."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic_ns

from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.operation import OPERATIONS
from perfgate.outcome import Outcome
from perfgate.plan import Plan
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.adapter import Adapter
from perfgate.units import NS_PER_S
from perfgate_agent.exchange import Exchange
from perfgate_agent.pacer import Pacer
from perfgate_agent.pool import Pool
from perfgate_agent.recorder import Bucket
from perfgate_agent.source import exchanges

AHEAD = 128
"""Requests that are ready before their time."""
BATCH = 4
SLACK_NS = 150_000
"""Housekeeping waits while the next request is due sooner than this."""
SWEEP_S = 0.05
DRAIN_NS = NS_PER_S
LOST_NS = NS_PER_S
BACKLOG_MIN = 1_000


@dataclass(frozen=True, slots=True)
class Part:
    """One worker's part of a run: which lanes of the plan, to where. connections: the most to one store."""

    name: str
    plan: Plan
    lanes: tuple[int, ...]
    segments: tuple[Segment, ...]
    addresses: Mapping[Arm, tuple[str, int]]
    adapters: Mapping[Arm, Adapter]
    connections: int
    timeout_ns: int


class Player:
    """Prepared by `open`, played once by `play`."""

    def __init__(self, part: Part, emit: Callable[[Interval], None]) -> None:
        self._part = part
        self._emit = emit
        self._ready: deque[tuple[Segment, Exchange]] = deque()
        self._buckets: list[tuple[Segment, Bucket]] = []
        self._distilling: Iterator[Interval | None] | None = None
        self._pools: dict[Arm, Pool] = {}
        self._open: dict[Arm, int] = dict.fromkeys(Arm, 0)
        self._cut: set[int] = set()
        self._ended = asyncio.Event()
        self._generating = True
        self._give_up_ns = 0
        self._idle_planned = False
        self._saturated = self._lost = self._stopped = False
        self._counts = [0, 0, 0, 0, 0]  # due, sent, completed, failed, abandoned
        rate = part.plan.mean_rate * len(part.lanes) / part.plan.lanes
        self._backlog_bound = max(BACKLOG_MIN, round(rate))

    async def open(self) -> None:
        """Open the first connections."""
        for arm, (host, port) in self._part.addresses.items():
            self._pools[arm] = Pool(host, port, self._part.connections, self._answered, self._failed)
        await asyncio.gather(*(pool.open_ahead() for pool in self._pools.values()))

    def stop(self) -> None:
        """End early: nothing more is sent; replies under way are waited for, but not long."""
        self._stopped = True
        self._end_generating()

    async def play(self, start_ns: int) -> LoadReport:
        """Start at `start_ns` of the monotonic clock. Returns when every request has ended and every interval has been
        emitted."""
        part = self._part
        self._source = exchanges(part.plan, part.lanes, part.segments, part.adapters, start_ns, self._buckets)
        self._fill(AHEAD)
        before, began = resource.getrusage(resource.RUSAGE_SELF), monotonic_ns()
        gc.collect()
        gc.freeze()
        gc.disable()  # no collection inside a measured slice
        self._pacer = Pacer(self._due)
        sweeper = asyncio.ensure_future(self._sweep())
        try:
            self._pacer.set(self._next_ns())
            await self._ended.wait()
        finally:
            sweeper.cancel()
            self._pacer.close()
            for pool in self._pools.values():
                await pool.close()
            gc.enable()
            gc.unfreeze()
        self._emit_rest()
        return self._report(before, began)

    # --- in time -----------------------------------------------------------------------------------------------

    def _due(self) -> None:
        """Send everything whose time has come, late or not, then set the alarm for the next."""
        ready, pools = self._ready, self._pools
        while True:
            if not ready and not self._fill(BATCH):
                self._check_end()
                break
            segment, exchange = ready[0]
            now = monotonic_ns()
            if exchange.at_ns > now:
                self._pacer.set(exchange.at_ns)
                break
            ready.popleft()
            if segment.number in self._cut:
                self._failed(exchange, Outcome.ABANDONED, "")
                continue
            bucket: Bucket = exchange.bucket  # type: ignore[assignment]
            bucket.lag.append(now - exchange.at_ns)
            arm = segment.arm
            self._open[arm] += 1
            pools[arm].submit(exchange)
            if self._open[arm] > self._backlog_bound:
                self._cut_segment(segment)
        self._plan_idle()

    def _next_ns(self) -> int:
        return self._ready[0][1].at_ns if self._ready else monotonic_ns()

    def _answered(self, exchange: Exchange, status: int, body: bytes) -> None:
        bucket: Bucket = exchange.bucket  # type: ignore[assignment]
        arm = self._part.segments[self._position(bucket)].arm
        judged = self._part.adapters[arm].judge(
            OPERATIONS[exchange.code], exchange.key, exchange.index, status, body, exchange.checked
        )
        self._open[arm] -= 1
        exchange.payload = b""
        if judged.outcome is Outcome.OK:
            exchange.found, exchange.expected = judged.found, judged.expected
            bucket.answered(exchange)
        else:
            bucket.failed(exchange, judged.outcome, judged.example)
        self._plan_idle()

    def _failed(self, exchange: Exchange, outcome: Outcome, example: str) -> None:
        bucket: Bucket = exchange.bucket  # type: ignore[assignment]
        segment = self._part.segments[self._position(bucket)]
        if exchange.sent_ns or exchange.wait_ns:
            self._open[segment.arm] -= 1
        exchange.payload = b""
        if not exchange.sent_ns:
            exchange.wait_ns = 0
        bucket.failed(exchange, outcome, example)
        self._plan_idle()

    def _position(self, bucket: Bucket) -> int:
        return bucket.segment - self._part.segments[0].number

    # --- between times -----------------------------------------------------------------------------------------

    def _plan_idle(self) -> None:
        if not self._idle_planned:
            self._idle_planned = True
            asyncio.get_running_loop().call_soon(self._idle)

    def _idle(self) -> None:
        """One small step of housekeeping, if there is time before the next request is due."""
        self._idle_planned = False
        if self._ready and self._ready[0][1].at_ns - monotonic_ns() < SLACK_NS and len(self._ready) >= BATCH:
            return  # the alarm comes first, and plans the next step
        if (len(self._ready) < AHEAD and self._fill(BATCH)) or self._distil_step():
            self._plan_idle()
        self._check_end()

    def _fill(self, count: int) -> bool:
        """Make some requests ready; False when there are no more."""
        if not self._generating:
            return False
        for _ in range(count):
            entry = next(self._source, None)
            if entry is None:
                self._generating = False
                break
            self._ready.append(entry)
        return bool(self._ready)

    def _distil_step(self) -> bool:
        """One step towards emitting the oldest complete interval; False when there is nothing to do."""
        if self._distilling is None:
            for position, (_, bucket) in enumerate(self._buckets):
                if bucket.complete:
                    del self._buckets[position]
                    self._count(bucket)
                    self._distilling = bucket.distil(self._part.name)
                    return True
            return False
        interval = next(self._distilling)
        if interval is not None:
            self._distilling = None
            self._emit(interval)
        return True

    def _emit_rest(self) -> None:
        for _, bucket in self._buckets:
            bucket.closed = True
        while self._distil_step():
            pass

    def _count(self, bucket: Bucket) -> None:
        outcomes = [sum(part.outcomes[kind] for part in bucket.parts.values()) for kind in Outcome]
        completed, abandoned = outcomes[Outcome.OK], outcomes[Outcome.ABANDONED]
        failed = sum(outcomes) - completed - abandoned
        values = (bucket.due, bucket.sent, completed, failed, abandoned)
        self._counts = [have + more for have, more in zip(self._counts, values, strict=True)]

    # --- ends --------------------------------------------------------------------------------------------------

    def _cut_segment(self, segment: Segment) -> None:
        """The backlog is over its bound: the store cannot hold this rate, and queueing on would tell nothing more."""
        self._cut.add(segment.number)
        self._saturated = True
        self._pools[segment.arm].give_up_waiting()
        if segment.kind is SegmentKind.MEASURED:
            self._end_generating()

    def _end_generating(self) -> None:
        self._generating = False
        while self._ready:
            self._failed(self._ready.popleft()[1], Outcome.ABANDONED, "")
        for _, bucket in self._buckets:
            bucket.closed = True
        for pool in self._pools.values():
            pool.give_up_waiting()
        self._give_up_ns = monotonic_ns() + DRAIN_NS
        asyncio.get_running_loop().call_soon(self._check_end)

    def _check_end(self) -> None:
        if not self._generating and not self._ready and not any(self._open.values()):
            self._ended.set()

    async def _sweep(self) -> None:
        """Timeouts, a lost store, and the end of patience."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = monotonic_ns()
            for pool in self._pools.values():
                pool.sweep(now, self._part.timeout_ns)
                if pool.refused_since_ns and now - pool.refused_since_ns > LOST_NS and not self._lost:
                    self._lost = True
                    self._end_generating()
            if self._saturated and not self._cut_warmups_pending():
                self._end_generating()
            if self._give_up_ns and now > self._give_up_ns:
                for pool in self._pools.values():
                    pool.give_up_all()
            self._check_end()

    def _cut_warmups_pending(self) -> bool:
        """After a saturated warm-up the other arm's warm-up is still played: it tells which build is to blame."""
        return bool(self._ready) and self._ready[0][0].kind is SegmentKind.WARMUP

    def _report(self, before: resource.struct_rusage, began_ns: int) -> LoadReport:
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        due, sent, completed, failed, abandoned = self._counts
        return LoadReport(
            worker=self._part.name, due=due, sent=sent, completed=completed, failed=failed, abandoned=abandoned,
            saturated=self._saturated, lost=self._lost, stopped=self._stopped,
            cpu_ns=round(cpu * NS_PER_S), wall_ns=monotonic_ns() - began_ns,
            involuntary_switches=after.ru_nivcsw - before.ru_nivcsw,
        )  # fmt: skip
