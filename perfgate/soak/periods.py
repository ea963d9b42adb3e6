"""A run in periods of one length: what was answered, how fast, and what the store took up. However long it lasts, there are
at most so many; then neighbours are joined, exactly, and periods are twice as long."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from perfgate.interval import Interval
from perfgate.operation import Operation
from perfgate.soak.sample import StoreSample
from perfgate.units import NS_PER_S

MOST = 400
WAITING_MOST = 1_000
"""Samples that wait for their period's first interval."""
NS_PER_HOUR = 3_600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Period:
    """interval: everything that was due in it, of all workers. rss_bytes: mean of its samples; disk_bytes: of its last one;
    0 samples: not known. cpu_ns: processor time of the store at its last sample."""

    interval: Interval
    samples: int = 0
    rss_bytes: float = 0.0
    disk_bytes: int = 0
    cpu_ns: int = 0

    @property
    def start_ns(self) -> int:
        return self.interval.start_ns

    @property
    def middle_hours(self) -> float:
        """On the run's clock."""
        return (self.interval.start_ns + self.interval.end_ns) / 2 / NS_PER_HOUR

    @property
    def seconds(self) -> float:
        return (self.interval.end_ns - self.interval.start_ns) / NS_PER_S

    def quantile(self, operation: Operation, share: float) -> float:
        """ns; NaN where nothing was answered."""
        part = self.interval.operations.get(operation)
        return float(part.response.quantile(share)) if part and part.response.total else float("nan")

    def sampled(self, one: StoreSample) -> Period:
        """With one more sample, later than the others."""
        mean = (self.rss_bytes * self.samples + one.rss_bytes) / (self.samples + 1)
        return Period(self.interval, self.samples + 1, mean, one.disk_bytes, one.cpu_ns)

    def joined(self, later: Period) -> Period:
        """later: what follows this one. Memory is the mean over all samples; disk and processor time are the last
        ones."""
        samples = self.samples + later.samples
        mean = (self.rss_bytes * self.samples + later.rss_bytes * later.samples) / samples if samples else 0.0
        last = later if later.samples else self
        return Period(
            Interval.merge([self.interval, later.interval]), samples, mean, last.disk_bytes, last.cpu_ns
        )  # fmt: skip


@dataclass(slots=True)
class Periods:
    """length_ns: of each; grows by doubling. Takes intervals and samples in any order."""

    length_ns: int
    most: int = MOST
    _by_number: dict[int, Period] = field(default_factory=dict)
    _waiting: list[StoreSample] = field(default_factory=list)

    def take(self, interval: Interval) -> None:
        number = interval.start_ns // self.length_ns
        part = dataclasses.replace(interval, segment=0)
        known = self._by_number.get(number)
        if known is None:
            self._by_number[number] = Period(part)
            self._fold()
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                self.sample(one)
        else:
            merged = Interval.merge([known.interval, part])
            self._by_number[number] = dataclasses.replace(known, interval=merged)

    def sample(self, one: StoreSample) -> None:
        """A sample of a period in which nothing has come in yet waits until something has."""
        number = one.at_ns // self.length_ns
        if number in self._by_number:
            self._by_number[number] = self._by_number[number].sampled(one)
        else:
            self._waiting = [*self._waiting[-WAITING_MOST:], one]

    def all(self) -> list[Period]:
        """In order of time."""
        return [self._by_number[number] for number in sorted(self._by_number)]

    def before(self, at_ns: int) -> list[Period]:
        """Those that had ended by then."""
        return [self._by_number[number] for number in sorted(self._by_number) if (number + 1) * self.length_ns <= at_ns]

    def _fold(self) -> None:
        while len(self._by_number) > self.most:
            folded: dict[int, Period] = {}
            for number in sorted(self._by_number):
                known = folded.get(number // 2)
                period = self._by_number[number]
                folded[number // 2] = known.joined(period) if known else period
            self._by_number = folded
            self.length_ns *= 2


def operations(periods: list[Period]) -> Mapping[Operation, None]:
    """What was asked for in any of them."""
    return dict.fromkeys(name for period in periods for name in sorted(period.interval.operations))
