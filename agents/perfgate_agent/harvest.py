"""Takes back what the engine has ended: has judged what must be looked at, records everything, frees its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from perfgate.operation import OPERATIONS
from perfgate.outcome import Outcome
from perfgate.segment import Arm
from perfgate.targets.adapter import Adapter
from perfgate_agent.deep_check import DeepCheck, TakeBodies
from perfgate_agent.engine.records import ENDING, OUTCOMES, REPLY
from perfgate_agent.recorder import Bucket
from perfgate_agent.slots import Slots

AT_ONCE = 4096


class Harvest:
    """Of one run. `drain(to, most)` fills an array of ENDING and says how many."""

    def __init__(
        self, slots: Slots, adapters: Mapping[Arm, Adapter], buckets: Mapping[int, Bucket], timeout_ns: int,
        drain: Callable[[int, int], int], take_bodies: TakeBodies,
    ) -> None:  # fmt: skip
        self._slots = slots
        self._check = DeepCheck(slots, adapters, buckets, timeout_ns, take_bodies)
        self._buckets = buckets
        self._drain = drain
        self._rows = np.zeros(AT_ONCE, dtype=ENDING)

    def reap(self) -> int:
        """Record everything that has ended; how many."""
        total = 0
        while count := self._drain(self._rows.ctypes.data, AT_ONCE):
            self._take(self._rows[:count])
            total += count
            if count < AT_ONCE:
                break
        return total

    def give_up(self) -> None:
        """What the engine never got to, because it had ended before."""
        slots = self._slots.taken()
        rows = np.zeros(len(slots), dtype=ENDING)
        rows["slot"], rows["at_ns"] = slots, self._slots.requests["at_ns"][slots]
        rows["kind"] = _ABANDONED
        self._take(rows)

    def disown(self) -> None:
        """The same at the end of a closed loop, which has no schedule: they were never due."""
        slots = self._slots.taken()
        numbers, counts = np.unique(self._slots.bucket[slots], return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            self._buckets[number].due -= count
        if len(slots):
            self._slots.give_back(slots)

    def _take(self, rows: NDArray[np.void]) -> None:
        if not len(rows):
            return
        slots = rows["slot"].astype(np.uint32)
        good = (rows["kind"] == REPLY) & (rows["judge"] == 0)
        numbers, codes = self._slots.bucket[slots], self._slots.code[slots]
        others = np.flatnonzero(~good)
        if len(others):
            good[others] = self._check.look_at(rows[others], slots[others])
        groups = numbers * len(OPERATIONS) + codes
        for group in np.unique(groups[good]).tolist():
            number, code = divmod(group, len(OPERATIONS))
            chosen = rows[good & (groups == group)]
            index, key = self._slots.index[chosen["slot"]], self._slots.key[chosen["slot"]]
            self._buckets[number].answered_many(
                code, index, chosen["at_ns"], chosen["sent_ns"], chosen["wait_ns"], chosen["done_ns"], key
            )
        self._slots.give_back(slots)


_ABANDONED = OUTCOMES.index(Outcome.ABANDONED)
