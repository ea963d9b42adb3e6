"""A worker's memory is as large after an hour as after a minute: seen in simulated time, without an engine."""

from __future__ import annotations

import ctypes
import gc
import pickle
import sys
from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
from load_cases import PlainAdapter, S, part, plan, segments
from numpy.typing import NDArray
from perfgate_agent.engine.records import ENDING, REQUEST
from perfgate_agent.feeder import Feeder, pieces
from perfgate_agent.harvest import Harvest
from perfgate_agent.ledger import Ledger
from perfgate_agent.messages import IntervalMessage, frame
from perfgate_agent.recorder import Bucket
from perfgate_agent.slots import Slots

from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.plan import LANES
from perfgate.segment import Arm

TURN = S // 10
SLOTS = 4096


class LargeAdapter(PlainAdapter):
    """Requests of 2 to 6 KiB."""

    def encode(self, operation: object, key: int, index: int) -> bytes:
        return bytes(2048 + index * 7919 % 4096)


class Simulated:
    """Feeder and harvest of a run; every request is answered well within a turn after its time."""

    def __init__(self, seconds: int) -> None:
        played = part([1], plan(rate=200), segments(1000 * seconds), adapters={Arm.BASE: LargeAdapter()})
        self.table = np.zeros(SLOTS, dtype=REQUEST)
        self.slots, self.buckets = Slots(SLOTS, self.table.ctypes.data), dict[int, Bucket]()
        self.emitted = 0
        self.ledger = Ledger("w", played.adapters, self._emit)
        self.waiting: deque[NDArray[np.uint32]] = deque()
        made = pieces(played.plan, tuple(range(LANES)), tuple(played.segments), 0, self.buckets, self.ledger.buckets)
        self.feeder = Feeder(self.slots, played.adapters, self.waiting.append, made, self.buckets, 3 * TURN)
        self.harvest = Harvest(self.slots, played.adapters, self.buckets, S, self._drain, lambda rows, count, to: None)

    def _emit(self, interval: Interval) -> None:
        self.emitted += len(frame(IntervalMessage(interval))) > 0

    def _drain(self, to: int, most: int) -> int:
        if len(self.waiting) <= 3:
            return 0
        slots = self.waiting.popleft()
        rows = np.zeros(len(slots), dtype=ENDING)
        rows["slot"], rows["at_ns"], rows["status"] = slots, self.table["at_ns"][slots], 200
        rows["sent_ns"] = rows["at_ns"] + 30_000
        rows["done_ns"] = rows["sent_ns"] + 100_000 + 1_000 * (rows["slot"].astype(np.int64) % 300)
        ctypes.memmove(to, rows.ctypes.data, rows.nbytes)
        return len(slots)

    def seconds(self) -> Iterator[int]:
        """After each simulated second."""
        now = 0
        while not self.feeder.exhausted:
            now += TURN
            self.harvest.reap()
            self.feeder.fill_until(now)
            while self.ledger.distil_step():
                pass
            for number in [number for number, bucket in self.buckets.items() if bucket.complete]:
                del self.buckets[number]
            if now % S == 0:
                yield now // S


def test_after_ten_times_as_long_a_worker_holds_as_many_objects_and_pages() -> None:
    """As while it plays: nothing is collected. What Python keeps for later use counts, too."""
    simulated = Simulated(130)
    seen: dict[int, tuple[int, int]] = {}
    gc.collect()
    gc.disable()
    try:
        for second in simulated.seconds():
            if second in (12, 120):
                seen[second] = sys.getallocatedblocks(), simulated.slots.pages.mapped_bytes
    finally:
        gc.enable()
    assert simulated.emitted > 120
    assert seen[120][1] == seen[12][1]
    assert seen[120][0] - seen[12][0] < 250, "blocks in 108 s: two a second are counters and lists that grow by chance"


@pytest.mark.parametrize("kind", [Interval, OperationInterval, Histogram, IntervalMessage])
def test_what_a_worker_sends_every_second_is_pickled_without_a_tuple_of_its_fields(kind: type) -> None:
    import dataclasses

    whole = interval_of_everything()
    one = {
        Interval: whole, OperationInterval: next(iter(whole.operations.values())), Histogram: whole.lag,
        IntervalMessage: IntervalMessage(whole),
    }[kind]  # fmt: skip
    names = [field.name for field in dataclasses.fields(kind)]
    assert one.__getstate__() == [getattr(one, name) for name in names]
    again = pickle.loads(pickle.dumps(one))
    assert repr(again) == repr(one)


def interval_of_everything() -> Interval:
    emitted: list[Interval] = []
    simulated = Simulated(3)
    simulated.ledger._emit = emitted.append
    for _ in simulated.seconds():
        pass
    return emitted[0]
