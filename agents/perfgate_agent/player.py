"""Plays a run: sends every request when it is due, whatever the replies do (open loop), and records how each ended."""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from time import monotonic_ns

from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.outcome import Outcome
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.usage import Usage
from perfgate_agent.exchange import Exchange
from perfgate_agent.ledger import Ledger
from perfgate_agent.pacer import Pacer
from perfgate_agent.part import Part
from perfgate_agent.pool import Pool
from perfgate_agent.reply import Body
from perfgate_agent.share import FOREVER, Share
from perfgate_agent.source import exchanges
from perfgate_agent.usage import UsageMeter, measured_windows

AHEAD = 256
"""Requests that are ready before their time."""
AHEAD_NS = 500_000_000
"""But not longer before it: lanes can only be taken over from beyond what is ready."""
AHEAD_LOW = 192
"""With fewer than this, housekeeping makes more."""
AHEAD_URGENT = 64
"""With fewer than this it does so even while a reply is awaited."""
BATCH = 4
REPLIES = 32
"""With as many replies waiting to be judged, housekeeping judges them."""
REPLIES_URGENT = 64
"""With as many it does so even while another reply is awaited."""
REPLIES_MOST = 512
"""With as many it does so even when the next request is due."""
DISTIL_EVERY = 8
SLACK_NS = 150_000
"""Housekeeping waits while the next request is due sooner than this."""
STARVED_NS = 20_000_000
"""Unless it has waited for this long."""
SWEEP_S = 0.05


class Player:
    """Prepared by `open`, played once by `play`."""

    def __init__(self, part: Part, emit: Callable[[Interval], None]) -> None:
        self._part = part
        self._ledger = Ledger(part.name, part.adapters, emit)
        self._loop = asyncio.get_running_loop()
        self._source: Iterator[Exchange | None] = iter(())
        self._ready: deque[Exchange] = deque()
        self._pools: dict[Arm, Pool] = {}
        self._open: dict[Arm, int] = dict.fromkeys(Arm, 0)  # submitted and not ended
        self._cut: set[int] = set()
        self._ended = asyncio.Event()
        self._generating = True
        self._share = Share(part.lanes)
        self._start_ns = 0
        self._give_up_ns = 0
        self._idle_planned = False
        self._kept_house_ns = 0
        self._steps = 0
        self._saturated = self._lost = self._stopped = False

    async def open(self) -> None:
        """Open the first connections."""
        for arm, address in self._part.addresses.items():
            adapter = self._part.adapters[arm]
            self._pools[arm] = Pool(address, self._part.connections, self._answered, self._failed, adapter)
        await asyncio.gather(*(pool.open_ahead() for pool in self._pools.values()))
        gc.collect()  # here rather than in `play`, which may have little time until the start

    def stop(self) -> None:
        """End early: nothing more is sent; replies under way are waited for, but not long."""
        self._stopped = True
        self._end_generating()

    def permit(self, until_ns: int) -> None:
        """Requests that are due from this time of the run's clock on wait for another permit."""
        self._share.permit(until_ns)
        if self._start_ns and self._ready and self._ready[0].at_ns <= monotonic_ns():
            self._loop.call_soon(self._due)

    def take_lanes(self, lanes: Sequence[int], from_ns: int) -> int:
        """Send these lanes, too; since when on the run's clock."""
        return self._share.take(lanes, from_ns)

    async def play(self, start_ns: int) -> LoadReport:
        """Start at `start_ns` of the monotonic clock. Returns when every request has ended and every interval has been
        emitted."""
        part, self._start_ns = self._part, start_ns
        self._source = exchanges(
            part.plan, self._share, part.segments, part.adapters, start_ns, self._ledger.buckets
        )  # fmt: skip
        self._fill(AHEAD)
        for pool in self._pools.values():
            pool.refused_since_ns = 0  # what was refused before the start says nothing of the run
        self._meter = UsageMeter(measured_windows(part.segments, start_ns), begins_ns=start_ns)
        self._meter.start()
        gc.freeze()
        gc.disable()  # no collection inside a measured slice
        self._pacer = Pacer(self._due)
        sweeper = asyncio.ensure_future(self._sweep())
        try:
            self._pacer.set(self._ready[0].at_ns if self._ready else monotonic_ns())
            await self._ended.wait()
        finally:
            sweeper.cancel()
            self._pacer.close()
            for pool in self._pools.values():
                await pool.close()
            usage = self._meter.stop()
            gc.enable()
            gc.unfreeze()
        self._ledger.finish()
        return self._report(usage)

    # --- in time -----------------------------------------------------------------------------------------------

    def _due(self) -> None:
        """Send everything whose time has come, late or not, then set the alarm for the next."""
        ready, pools = self._ready, self._pools
        while ready or self._fill(BATCH):
            exchange = ready[0]
            if exchange.at_ns > monotonic_ns():
                self._pacer.set(exchange.at_ns)
                break
            if self._share.permit_ns != FOREVER and exchange.at_ns >= self._start_ns + self._share.permit_ns:
                break  # the next permit calls anew
            segment = exchange.bucket.segment  # type: ignore[union-attr]
            if self._saturated and self._is_cut(segment):
                continue
            ready.popleft()
            arm = segment.arm
            self._open[arm] += 1
            pools[arm].submit(exchange)
            if self._open[arm] > self._part.backlog:
                self._cut_segment(segment)
        else:
            self._check_end()
        if len(ready) < AHEAD_URGENT:
            self._plan_idle()

    def _answered(self, exchange: Exchange, status: int, body: Body) -> None:
        replies, arms = self._ledger.replies, self._open
        arms[exchange.bucket.segment.arm] -= 1  # type: ignore[union-attr]
        exchange.payload = b""
        replies.append((exchange, status, body))
        if len(replies) >= REPLIES or len(self._ready) < AHEAD_LOW:
            self._plan_idle()

    def _failed(self, exchange: Exchange, outcome: Outcome, example: str) -> None:
        self._open[exchange.bucket.segment.arm] -= 1  # type: ignore[union-attr]
        exchange.payload = b""
        self._ledger.failed(exchange, outcome, example)
        self._plan_idle()

    # --- between times -----------------------------------------------------------------------------------------

    def _plan_idle(self) -> None:
        if not self._idle_planned:
            self._idle_planned = True
            self._loop.call_soon(self._idle)

    def _idle(self) -> None:
        """Housekeeping, if there is time before the next request is due. While no reply is awaited it goes on until
        there is none; otherwise one small step at a time, and only what is urgent: the time of a reply that comes
        meanwhile is read late."""
        self._idle_planned = False
        now = monotonic_ns()
        if not self._may_keep_house(now):
            return  # the next reply, request or sweep plans it anew
        self._kept_house_ns = now
        if any(self._open.values()):
            if self._urgent_step():
                self._plan_idle()
            return
        while self._step():
            if not self._may_keep_house(monotonic_ns()):
                return
        self._check_end()

    def _may_keep_house(self, now_ns: int) -> bool:
        if not self._ready or self._ready[0].at_ns - now_ns > SLACK_NS:
            return True
        return len(self._ledger.replies) > REPLIES_MOST or now_ns - self._kept_house_ns > STARVED_NS

    def _urgent_step(self) -> bool:
        ledger = self._ledger
        if self._distil_in_turn():
            return True
        if len(self._ready) < AHEAD_URGENT and self._fill(BATCH):
            return True
        if len(ledger.replies) >= REPLIES_URGENT:
            return ledger.judge_some()
        return ledger.distil_step()

    def _step(self) -> bool:
        if self._distil_in_turn():
            return True
        if len(self._ready) < AHEAD and self._fill(BATCH):
            return True
        return self._ledger.judge_some() or self._ledger.distil_step()

    def _distil_in_turn(self) -> bool:
        """One step of eight goes to emitting intervals: what there is to record never ends."""
        self._steps += 1
        return self._steps % DISTIL_EVERY == 0 and self._ledger.distil_step()

    def _fill(self, count: int) -> bool:
        """Make some requests ready, fewer where that takes long; False when none was made: enough are ready, or there will be
        no more."""
        while self._generating:
            if self._ready and self._ready[-1].at_ns > max(monotonic_ns(), self._start_ns) + AHEAD_NS:
                return False
            for _ in range(count):
                exchange = next(self._source, self)
                if exchange is self:
                    self._generating = False
                    break
                if exchange is None and self._ready:
                    return True
                if exchange is not None:
                    self._ready.append(exchange)  # type: ignore[arg-type]
            if self._ready:
                return True
        return False

    # --- ends --------------------------------------------------------------------------------------------------

    def _cut_segment(self, segment: Segment) -> None:
        """The backlog is over its bound: the store cannot hold this rate, and queueing on would tell nothing more."""
        self._cut.add(segment.number)
        self._saturated = True
        self._pools[segment.arm].give_up_waiting()
        if segment.kind is SegmentKind.MEASURED:
            self._end_generating()

    def _is_cut(self, segment: Segment) -> bool:
        """Gives up the next request where its segment was cut. After a saturated warm-up the other arm's warm-up is
        still played, which tells what build is to blame, and nothing is measured."""
        if segment.kind is SegmentKind.MEASURED:
            self._end_generating()
            return True
        if segment.number in self._cut:
            self._ledger.failed(self._ready.popleft(), Outcome.ABANDONED, "")
            return True
        return False

    def _end_generating(self) -> None:
        if self._give_up_ns:
            return
        self._give_up_ns = monotonic_ns() + self._part.drain_ns
        self._generating = False
        while self._ready:
            self._ledger.failed(self._ready.popleft(), Outcome.ABANDONED, "")
        self._ledger.close_buckets()
        for pool in self._pools.values():
            pool.give_up_waiting()
        self._loop.call_soon(self._check_end)

    def _check_end(self) -> None:
        if not self._generating and not self._ready and not any(self._open.values()):
            self._ended.set()

    async def _sweep(self) -> None:
        """Timeouts, a lost store, and the end of patience."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self._meter.sample(cut=self._saturated or bool(self._give_up_ns))
            now = monotonic_ns()
            for pool in self._pools.values():
                pool.sweep(now, self._part.timeout_ns)
                if pool.refused_since_ns and now - pool.refused_since_ns > self._part.lost_ns and not self._lost:
                    self._lost = True
                    self._end_generating()
            if self._give_up_ns and now > self._give_up_ns:
                for pool in self._pools.values():
                    pool.give_up_all()
            self._ledger.judge_some()  # a few replies are not urgent, and would wait while another one is awaited
            self._plan_idle()
            self._check_end()

    def _report(self, usage: Usage) -> LoadReport:
        due, sent, completed, failed, abandoned = self._ledger.counts
        return LoadReport(
            worker=self._part.name, due=due, sent=sent, completed=completed, failed=failed, abandoned=abandoned,
            saturated=self._saturated, lost=self._lost, stopped=self._stopped, usage=usage,
        )  # fmt: skip
