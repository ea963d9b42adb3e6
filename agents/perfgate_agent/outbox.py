"""What waits to be sent to the controller. Bounded: when the stream is slow, waiting intervals of one segment are merged
into a longer one; none is dropped, and everything else keeps its order."""

from __future__ import annotations

import asyncio
from collections import deque

from perfgate.interval import Interval
from perfgate.wire.convert import interval_to_wire
from perfgate.wire.v1 import wire_pb2 as pb

INTERVALS_WAITING = 256
BATCH = 64


class Outbox:
    """Filled by the session's tasks, emptied by the one that writes the stream."""

    def __init__(self) -> None:
        self._events: deque[pb.Event] = deque()
        self._intervals: list[Interval] = []
        self._filled = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many events nobody has taken yet."""
        return len(self._events)

    def put(self, event: pb.Event) -> None:
        """Intervals put before this event go out before it."""
        self._flush_intervals()
        self._events.append(event)
        self._filled.set()

    def put_interval(self, interval: Interval) -> None:
        self._intervals.append(interval)
        if len(self._intervals) > INTERVALS_WAITING:
            self._intervals = merge_by_segment(self._intervals)
        self._filled.set()

    async def get(self) -> pb.Event:
        """The next event; waits for one."""
        while not self._events and not self._intervals:
            self._filled.clear()
            await self._filled.wait()
        if self._events:
            return self._events.popleft()
        batch, self._intervals = self._intervals[:BATCH], self._intervals[BATCH:]
        return _batch(batch)

    def _flush_intervals(self) -> None:
        while self._intervals:
            batch, self._intervals = self._intervals[:BATCH], self._intervals[BATCH:]
            self._events.append(_batch(batch))


def merge_by_segment(intervals: list[Interval]) -> list[Interval]:
    """One interval a segment, in order of the segments' numbers."""
    by_segment: dict[int, list[Interval]] = {}
    for interval in intervals:
        by_segment.setdefault(interval.segment, []).append(interval)
    return [Interval.merge(by_segment[number]) for number in sorted(by_segment)]


def _batch(intervals: list[Interval]) -> pb.Event:
    return pb.Event(intervals=pb.IntervalBatch(intervals=[interval_to_wire(interval) for interval in intervals]))
