"""A recorded trace, played again: faster or slower, denser or thinner, over and over. Integers all the way."""

from __future__ import annotations

import numpy as np

from perfgate.arrivals.process import BLOCK_NS, Floats, Integers
from perfgate.units import NS_PER_US

SCALE = 1_000_000
"""A rate's factor is taken to the millionth, so that which rows are played is exact arithmetic."""


class ReplayArrivals:
    """Row n of the trace is played floor((n + 1) r) - floor(n r) times, r being `rate_scale`: r = 0.5 leaves out every
    second row, r = 3 plays each three times, spread evenly until the next row's time. Times are divided by `speed`.

    After its end, which lies a mean gap after the last row, the trace starts again.
    time_us: int64 (n,), sorted, from 0. Raises ValueError when nothing is left to play.
    """

    def __init__(self, time_us: Integers, speed: float, rate_scale: float) -> None:
        self._row_ns = np.rint(time_us * (NS_PER_US / speed)).astype(np.int64)
        self._factor = round(rate_scale * SCALE)
        self._total = self._copies_before(np.array([len(time_us)]))[0]
        if not self._total:
            raise ValueError("no row of the trace is left to be played")
        self._length_ns = int(self._row_ns[-1]) + self._mean_gap_ns()
        self._end_ns = np.append(self._row_ns, self._length_ns)

    @property
    def length_ns(self) -> int:
        """How long the trace takes once."""
        return self._length_ns

    def expected(self, time_ns: Floats) -> Floats:
        return self._arrived(np.asarray(time_ns).astype(np.int64)).astype(np.float64)

    def before(self, blocks: Integers) -> Integers:
        return self._arrived(np.asarray(blocks, dtype=np.int64) * BLOCK_NS)

    def times(self, block: int) -> Integers:
        first, end = self.before(np.array([block, block + 1]))
        cycle, place = np.divmod(np.arange(first, end), self._total)
        row = self._row(place)
        copy, copies = place - self._copies_before(row), self._copies_before(row + 1) - self._copies_before(row)
        gap = self._end_ns[row + 1] - self._end_ns[row]
        due: Integers = cycle * self._length_ns + self._end_ns[row] + copy * gap // np.maximum(copies, 1)
        return due

    def rows(self, number: Integers) -> Integers:
        """Which row of the trace each arrival plays."""
        return self._row(number % self._total)

    def _arrived(self, time_ns: Integers) -> Integers:
        """Arrivals before each time."""
        cycle, inside = np.divmod(time_ns, self._length_ns)
        row = np.searchsorted(self._row_ns, inside, side="left") - 1  # the last that began before
        begun = np.maximum(row, 0)
        first = self._copies_before(begun)
        copies = self._copies_before(begun + 1) - first
        gap = self._end_ns[begun + 1] - self._end_ns[begun]
        since = inside - self._end_ns[begun]
        done = np.minimum(copies, -(-since * copies // np.maximum(gap, 1)))
        arrived: Integers = cycle * self._total + np.where(row >= 0, first + done, 0)
        return arrived

    def _row(self, place: Integers) -> Integers:
        """The row of each place in the trace: the first n with floor((n + 1) r) > place."""
        return -(-(place + 1) * SCALE // self._factor) - 1

    def _copies_before(self, row: Integers) -> Integers:
        return row * self._factor // SCALE

    def _mean_gap_ns(self) -> int:
        rows = len(self._row_ns)
        gap = int(self._row_ns[-1] - self._row_ns[0]) // (rows - 1) if rows > 1 else 0
        return gap or BLOCK_NS
