"""Plays a run with the engine in C: its thread sends and receives, this one feeds it, judges and records.

The engine's thread comes before this one wherever both want the core: what is done here costs time, but delays no request.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Sequence
from time import monotonic_ns

import numpy as np
from numpy.typing import NDArray

from perfgate.errors import MeasurementError
from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.targets.protocol import WireProtocol, protocol_of
from perfgate.units import NS_PER_MS, NS_PER_S
from perfgate.usage import Usage
from perfgate_agent.engine.library import Library
from perfgate_agent.engine.records import HTTP1, RESP, Settings
from perfgate_agent.engine.thread import EngineThread
from perfgate_agent.feeder import TURNS, Feeder, ahead_ns, pieces
from perfgate_agent.harvest import Harvest
from perfgate_agent.ledger import Ledger
from perfgate_agent.part import Part
from perfgate_agent.pool import CONNECT_S, OPEN_AHEAD
from perfgate_agent.recorder import Bucket
from perfgate_agent.share import FOREVER, Share
from perfgate_agent.slots import Slots
from perfgate_agent.socket_address import socket_address
from perfgate_agent.usage import SAMPLE_NS, UsageMeter, Window, measured_windows

CLOSED_LOOP_TURN_NS = 5 * NS_PER_MS
CLOSED_LOOP_AHEAD = 4_096
"""Requests ready in a closed loop, which takes them as fast as replies come: in 20 to 25 ms, of which the feeder, which comes
after the engine, needs most for one turn."""
GRAIN_NS = 300_000
GRAIN_RATE = 8_000
"""Above this rate a wake-up for each request would take all of a core: those due within GRAIN_NS share one, and may be late
by as much, which is a third of what counts as late."""
CATCH_UP = 2.0
"""After a delay of its own the engine sends at most so many times as fast as the schedule, until it has caught up."""
CATCH_UP_AFTER_NS = NS_PER_MS


class NativePlayer:
    """Prepared by `open`, played once by `play`."""

    def __init__(self, part: Part, emit: Callable[[Interval], None], library: Library) -> None:
        self._part = part
        self._library = library
        self._ledger = Ledger(part.name, part.adapters, emit)
        self._slots_count = slots_for(part)
        self._settings = Settings(
            slots=self._slots_count, connections=part.connections,
            open_ahead=min(part.connections, part.connections if part.closed_loop else OPEN_AHEAD),
            backlog=part.backlog, timeout_ns=part.timeout_ns, connect_ns=round(CONNECT_S * NS_PER_S), lost_ns=part.lost_ns,
            drain_ns=part.drain_ns, catch_up_after_ns=CATCH_UP_AFTER_NS, catch_up=CATCH_UP,
            grain_ns=GRAIN_NS if part.send_rate > GRAIN_RATE else 0, closed_loop=part.closed_loop, protocol=_protocol(part),
        )  # fmt: skip
        self._ahead_ns = ahead_ns(part.send_rate)
        self._turn_ns = CLOSED_LOOP_TURN_NS if part.closed_loop else self._ahead_ns // TURNS
        self._engine = 0
        self._stopped = False
        self._share = Share(part.lanes)
        self._start_ns = 0

    async def open(self) -> None:
        """Open the first connections; a store that refuses them is seen when requests are due."""
        engine = self._library.new(self._settings)
        if not engine:
            raise MeasurementError("no memory or file descriptors for the engine")
        self._engine = engine
        self._delete = weakref.finalize(self, self._library.delete, engine)
        for arm, address in self._part.addresses.items():
            name = await asyncio.to_thread(socket_address, address)
            self._library.address(engine, int(arm), name, len(name))
        self._state = self._library.status(engine).contents
        self._slots = Slots(self._slots_count, self._library.requests(engine))
        await asyncio.to_thread(self._library.open, engine)
        gc.collect()  # here rather than in `play`, which may have little time until the start

    def stop(self) -> None:
        """End early: nothing more is sent; replies under way are waited for, but not long."""
        self._stopped = True
        self._library.stop(self._engine, self._part.drain_ns)

    def permit(self, until_ns: int) -> None:
        """Requests that are due from this time of the run's clock on wait for another permit."""
        self._share.permit(until_ns)

    def take_lanes(self, lanes: Sequence[int], from_ns: int) -> int:
        """Send these lanes, too; since when on the run's clock."""
        return self._share.take(lanes, from_ns)

    async def play(self, start_ns: int) -> LoadReport:
        """Start at `start_ns` of the monotonic clock. Returns when every request has ended and every interval has been
        emitted."""
        part, library, engine = self._part, self._library, self._engine
        self._buckets = buckets = dict[int, Bucket]()
        self._start_ns = start_ns
        self._harvest = Harvest(
            self._slots, part.adapters, buckets, part.timeout_ns,
            lambda to, most: int(library.drain(engine, to, most)), library.take_bodies,
        )  # fmt: skip
        self._feeder = Feeder(
            self._slots, part.adapters, self._submit,
            pieces(part.plan, self._share, part.segments, start_ns, buckets, self._ledger.buckets), buckets,
            self._ahead_ns,
        )  # fmt: skip
        library.window(engine, start_ns, start_ns + max((segment.end_ns for segment in part.segments), default=0))
        self._feed(max(start_ns, monotonic_ns()))
        gc.freeze()
        gc.disable()  # a collection would delay no request, but keep replies from being looked at
        try:
            usage = await self._run(measured_windows(part.segments, start_ns), start_ns)
        finally:
            gc.enable()
            gc.unfreeze()
        return self._report(usage)

    async def _run(self, measured: list[Window], start_ns: int) -> Usage:
        """The engine's thread from its start to its end."""
        thread = EngineThread(lambda: self._library.run(self._engine))
        threads = {"engine": thread.native_id, "feeder": threading.get_native_id()}
        meter = UsageMeter(measured, threads, start_ns)
        meter.start()
        try:
            thread.go()
            sampled_ns = 0
            while not await thread.ended_within(self._turn_ns / NS_PER_S):
                self._turn()
                if (now := monotonic_ns()) - sampled_ns >= SAMPLE_NS:
                    meter.sample(cut=bool(self._state.saturated or self._state.ending))
                    sampled_ns = now
        finally:
            self._library.stop(self._engine, 0)  # does nothing, unless nobody waits for this run any more
            usage = meter.stop()
            thread.join()
        self._finish()
        return usage

    def _turn(self) -> None:
        self._harvest.reap()
        self._feed(monotonic_ns())
        while self._ledger.distil_step():
            pass
        for number in [number for number, bucket in self._buckets.items() if bucket.complete]:
            del self._buckets[number]  # emitted; nothing of it is left

    def _feed(self, now_ns: int) -> None:
        if self._state.ending:
            self._ledger.close_buckets()
            return
        if self._feeder.exhausted:
            return
        permit_ns = self._share.permit_ns
        self._feeder.permit_ns = permit_ns if permit_ns == FOREVER else self._start_ns + permit_ns
        if self._part.closed_loop:
            self._feeder.fill_up(CLOSED_LOOP_AHEAD - self._slots.taken_count)
        else:
            self._feeder.fill_until(now_ns)
        if self._feeder.exhausted:
            self._library.no_more(self._engine)

    def _submit(self, slots: NDArray[np.uint32]) -> None:
        self._library.submit(self._engine, slots.ctypes.data, len(slots))

    def _finish(self) -> None:
        self._harvest.reap()
        if self._part.closed_loop:
            self._harvest.disown()
        else:
            self._harvest.give_up()
        self._ledger.finish()

    def _report(self, usage: Usage) -> LoadReport:
        due, sent, completed, failed, abandoned = self._ledger.counts
        return LoadReport(
            worker=self._part.name, due=due, sent=sent, completed=completed, failed=failed, abandoned=abandoned,
            saturated=bool(self._state.saturated), lost=bool(self._state.lost), stopped=self._stopped, usage=usage,
        )  # fmt: skip


def _protocol(part: Part) -> int:
    """Both stores are of one target, and speak the same."""
    return RESP if any(protocol_of(one) is WireProtocol.RESP for one in part.adapters.values()) else HTTP1


def slots_for(part: Part) -> int:
    """How many requests may be known to the engine at once: twice what is under way at most and what is ahead; a power of
    two. No more than that: what is used again soon stays in the processor's caches."""
    most = 0 if part.closed_loop else 2 * part.backlog + round(min(part.send_rate, part.backlog_most) / 2)
    return 1 << (most + 2 * CLOSED_LOOP_AHEAD - 1).bit_length()
