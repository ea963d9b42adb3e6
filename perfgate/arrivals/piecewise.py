"""A rate made of straight lines: what ramps, steps, bursts in a row and the hours of a day all come down to."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from perfgate.arrivals.process import FOREVER_NS, Floats
from perfgate.units import NS_PER_S

Line = tuple[float, float, float]
"""(seconds, rate at its start, rate at its end), rates in requests a second."""


class PiecewiseLinearRate:
    """Λ of a rate that follows `lines` one after the other, then stays at `held`; or, with `held` None, starts anew.

    Only + - * / and sqrt are used, which every machine rounds the same way, so that every agent makes the same times.
    Raises ValueError for no line of any length, or a rate of 0 all over a rate that repeats.
    """

    def __init__(self, lines: Iterable[Line], held: float | None) -> None:
        kept = [line for line in lines if line[0] > 0]
        if not kept:
            raise ValueError("a rate needs at least one line that takes some time")
        length, start, end = np.array(kept, dtype=np.float64).T
        self._time = np.append(0.0, np.cumsum(length))
        self._count = np.append(0.0, np.cumsum(length * (start + end) / 2))
        self._rate = np.append(start, held or 0.0)
        self._bend = np.append((end - start) / (2 * length), 0.0)  # half the change of the rate a second
        self._repeats = held is None
        if self._repeats and not self._count[-1] > 0:
            raise ValueError("a rate that repeats must not be 0 all the time")

    def expected(self, time_ns: Floats) -> Floats:
        seconds = time_ns / NS_PER_S
        before, seconds = self._whole_cycles(seconds, self._time[-1], self._count[-1])
        line = np.searchsorted(self._time, seconds, side="right") - 1
        inside = seconds - self._time[line]
        expected: Floats = before + self._count[line] + inside * (self._rate[line] + inside * self._bend[line])
        return expected

    def when(self, expected: Floats) -> Floats:
        before, expected = self._whole_cycles(expected, self._count[-1], self._time[-1])
        line = np.searchsorted(self._count, expected, side="right") - 1
        if self._repeats:
            line = np.minimum(line, len(self._time) - 2)
        wanted = expected - self._count[line]
        rate = self._rate[line]
        # The root of rate · u + bend · u² = wanted that does not cancel; 0 / 0 is the start of a line that begins at 0.
        root = rate + np.sqrt(np.maximum(rate * rate + 4 * self._bend[line] * wanted, 0.0))
        inside = np.divide(2 * wanted, root, out=np.where(wanted > 0, np.inf, 0.0), where=root > 0)
        length = np.append(np.diff(self._time), np.inf)[line]
        seconds = before + self._time[line] + np.minimum(inside, length)
        time_ns: Floats = np.minimum(seconds * NS_PER_S, FOREVER_NS)
        return time_ns

    def _whole_cycles(self, value: Floats, cycle: float, other: float) -> tuple[Floats, Floats]:
        """What whole cycles before `value` come to on the other axis, and what is left of it in its own cycle."""
        if not self._repeats:
            return np.zeros_like(value), value
        number = np.floor(value / cycle)
        return number * other, np.maximum(value - number * cycle, 0.0)
