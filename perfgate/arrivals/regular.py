"""Regular spacing: no chance at all. Arrival n is due when Λ reaches n + 1/2."""

from __future__ import annotations

import numpy as np

from perfgate.arrivals.process import BLOCK_NS, Floats, Integers, Intensity

_SLACK = 2  # arrivals around a block's start whose side is decided by their exact time, not by a rounded Λ


class RegularArrivals:
    """A pure function of the intensity."""

    def __init__(self, intensity: Intensity) -> None:
        self._intensity = intensity

    def expected(self, time_ns: Floats) -> Floats:
        return self._intensity.expected(time_ns)

    def before(self, blocks: Integers) -> Integers:
        start = np.asarray(blocks, dtype=np.int64) * BLOCK_NS
        guess = np.rint(self._intensity.expected(start.astype(np.float64))).astype(np.int64) - _SLACK
        count = guess.copy()
        for offset in range(2 * _SLACK):
            number = guess + offset
            count += (number < 0) | (self._due(number) < start)
        return np.maximum(count, 0)

    def times(self, block: int) -> Integers:
        first, end = self.before(np.array([block, block + 1]))
        due = self._due(np.arange(first, end))
        return np.clip(due, block * BLOCK_NS, (block + 1) * BLOCK_NS - 1)

    def _due(self, number: Integers) -> Integers:
        return np.rint(self._intensity.when(np.maximum(number, 0) + 0.5)).astype(np.int64)
