"""What waits to be sent to the controller. Bounded: when the stream is slow, waiting intervals of one segment are merged
into a longer one; none is dropped, and everything else keeps its order.

Messages are small, so that on a slow network, too, something arrives every second and shows that the agent is alive.
"""

from __future__ import annotations

import asyncio
from collections import deque

from perfgate.interval import Interval
from perfgate.wire.convert import interval_to_wire
from perfgate.wire.v1 import wire_pb2 as pb

INTERVALS_WAITING = 256
BATCH = 64
BATCH_BYTES = 16 * 1024


class Outbox:
    """Filled by the session's tasks, emptied by the one that writes the stream."""

    def __init__(self) -> None:
        self._events: deque[pb.Event] = deque()
        self._intervals: list[Interval] = []
        self._filled = asyncio.Event()
        self._alive = False
        self._taken = 0
        self._written = asyncio.Event()
        self._epoch = 0

    @property
    def waiting(self) -> int:
        """How many events nobody has taken yet."""
        return len(self._events)

    def begin(self, epoch: int) -> None:
        """Intervals that are put from now on belong to another load."""
        self._flush_intervals()
        self._epoch = epoch

    def put(self, event: pb.Event) -> None:
        """Intervals put before this event go out before it."""
        self._flush_intervals()
        self._events.append(event)
        self._filled.set()

    def put_alive(self) -> None:
        """Goes out before everything else, and once however often it was asked for."""
        self._alive = True
        self._filled.set()

    def put_interval(self, interval: Interval) -> None:
        """Never waits. Beyond INTERVALS_WAITING, those of one segment are merged."""
        self._intervals.append(interval)
        if len(self._intervals) > INTERVALS_WAITING:
            self._intervals = merge_by_segment(self._intervals)
        self._filled.set()

    async def get(self) -> pb.Event:
        """The next event; waits for one."""
        while not (self._alive or self._events or self._intervals):
            self._filled.clear()
            await self._filled.wait()
        self._taken += 1
        if self._alive:
            self._alive = False
            return pb.Event(alive=pb.Alive())
        return self._events.popleft() if self._events else self._batch()

    def written(self) -> None:
        """What was taken last is on its way."""
        self._taken -= 1
        self._written.set()

    async def emptied(self) -> None:
        """Until nothing waits, and everything that was taken is on its way."""
        while self._alive or self._events or self._intervals or self._taken:
            self._written.clear()
            await self._written.wait()

    def _flush_intervals(self) -> None:
        while self._intervals:
            self._events.append(self._batch())

    def _batch(self) -> pb.Event:
        """The oldest intervals: one at least, and as many more as make a small message."""
        batch, size = pb.IntervalBatch(epoch=self._epoch), 0
        for interval in self._intervals[:BATCH]:
            message = interval_to_wire(interval)
            size += message.ByteSize()
            if batch.intervals and size > BATCH_BYTES:
                break
            batch.intervals.append(message)
        del self._intervals[: len(batch.intervals)]
        return pb.Event(intervals=batch)


def merge_by_segment(intervals: list[Interval]) -> list[Interval]:
    """One interval a segment, in order of the segments' numbers."""
    by_segment: dict[int, list[Interval]] = {}
    for interval in intervals:
        by_segment.setdefault(interval.segment, []).append(interval)
    return [Interval.merge(by_segment[number]) for number in sorted(by_segment)]
