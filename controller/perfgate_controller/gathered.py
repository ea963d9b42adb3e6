"""Intervals that are merged some at a time: what is merged with a large histogram costs as much for one as for many."""

from __future__ import annotations

from collections.abc import Iterable

from perfgate.histogram import Histogram
from perfgate.interval import Interval

WAITING = 64
"""Intervals that wait to be merged: some 10 KB each."""
HISTOGRAMS_WAITING = 4
"""Of each worker of a run, so fewer."""


class GatheredIntervals:
    """One merged interval of all that were taken (of one segment), exact as merging each at once would be."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[Interval] = []

    def take(self, interval: Interval) -> None:
        self._parts.append(interval)
        if len(self._parts) > WAITING:
            self._parts = [Interval.merge(self._parts)]

    @property
    def waiting(self) -> int:
        """How many are not merged yet."""
        return len(self._parts)

    def merged(self) -> Interval:
        """Raises ValueError where nothing was taken."""
        if len(self._parts) != 1:
            self._parts = [Interval.merge(self._parts)]
        return self._parts[0]


class GatheredHistograms:
    """Several histograms side by side (as lag and wait), each the sum of what was taken for it."""

    __slots__ = ("_parts",)

    def __init__(self, number: int) -> None:
        self._parts: list[tuple[Histogram, ...]] = [(Histogram.empty(),) * number]

    def take(self, histograms: tuple[Histogram, ...]) -> None:
        self._parts.append(histograms)
        if len(self._parts) > HISTOGRAMS_WAITING:
            self._parts = [self._sum(self._parts)]

    @property
    def waiting(self) -> int:
        """How many are not summed yet."""
        return len(self._parts)

    def merged(self) -> tuple[Histogram, ...]:
        """The sums, in the order in which `take` is given them."""
        self._parts = [self._sum(self._parts)]
        return self._parts[0]

    @staticmethod
    def _sum(parts: Iterable[tuple[Histogram, ...]]) -> tuple[Histogram, ...]:
        return tuple(Histogram.merge(same) for same in zip(*parts, strict=True))
