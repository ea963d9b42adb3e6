"""What the agents stream back, put together again: by segment for pairs, by second for a timeline."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.pair import Couple
from perfgate.run import Second
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.units import NS_PER_S
from perfgate.usage import Usage
from perfgate.worker_load import WorkerLoad
from perfgate_controller.gathered import GatheredHistograms, GatheredIntervals
from perfgate_controller.schedule import PairSchedule
from perfgate_controller.thinned import LINES_MOST, fold_seconds

SECONDS_OPEN = 30
"""Seconds of the timeline that still wait for late replies; more than any timeout worth setting."""


class Collector:
    """Takes intervals in any order. Keeps one merged interval a segment, and of each past second one line."""

    def __init__(self, segments: Sequence[Segment], keep: Callable[[Interval], None]) -> None:
        self._segments = {segment.number: segment for segment in segments}
        self._keep = keep
        self._merged: dict[int, GatheredIntervals] = {}
        self._timeline = Timeline()
        self._delays = Delays()

    def take(self, interval: Interval) -> None:
        """Exact, whatever the order of arrival."""
        self._keep(interval)
        segment = self._segments[interval.segment]
        self._merged.setdefault(interval.segment, GatheredIntervals()).take(interval)
        if segment.kind is SegmentKind.MEASURED:
            self._timeline.take(segment.arm, interval)
            self._delays.take(interval)

    def segment(self, number: int) -> Interval:
        """Everything recorded for a segment; empty when nothing was."""
        gathered = self._merged.get(number)
        return gathered.merged() if gathered else _nothing(self._segments[number])

    def measured(self) -> list[Segment]:
        return [segment for segment in self._segments.values() if segment.kind is SegmentKind.MEASURED]

    def total(self, arm: Arm) -> Interval | None:
        """All measured segments of an arm as segment 0; None when nothing was recorded."""
        parts = [
            dataclasses.replace(self._merged[segment.number].merged(), segment=0)
            for segment in self.measured()
            if segment.arm is arm and segment.number in self._merged
        ]
        return Interval.merge(parts) if parts else None

    def timeline(self) -> tuple[Second, ...]:
        """Of the measured segments, by second and arm."""
        return self._timeline.lines()

    def latest(self) -> Second | None:
        """The newest second that has come in as a whole, or the first one as far as it has; of both arms together."""
        return self._timeline.latest()

    def couples(self, schedule: PairSchedule) -> tuple[Couple, ...]:
        """The pair's couples, in order of time."""
        numbers: dict[int, dict[Arm, int]] = {}
        for segment in self.measured():
            numbers.setdefault(segment.couple, {})[segment.arm] = segment.number
        return tuple(
            Couple(
                number=couple,
                first=schedule.first_of(couple),
                base=self.segment(arms[Arm.BASE]),
                candidate=self.segment(arms[Arm.CANDIDATE]),
            )
            for couple, arms in sorted(numbers.items())
        )

    def workers(self, reports: Iterable[LoadReport]) -> tuple[WorkerLoad, ...]:
        """Each worker over the measured segments. Without reports, as after an interruption, nothing is known of what they
        used."""
        return self._delays.loads({report.worker: report.usage for report in reports})

    def warmups(self) -> dict[Arm, Interval]:
        """By arm, all of its warm-up merged; empty intervals for arms of which nothing came in."""
        return {
            segment.arm: self.segment(segment.number)
            for segment in self._segments.values()
            if segment.kind is SegmentKind.WARMUP
        }


class Delays:
    """Lag and wait of each worker, of which the merged intervals know nothing any more."""

    def __init__(self) -> None:
        self._by_worker: dict[str, GatheredHistograms] = {}

    def take(self, interval: Interval) -> None:
        """One that a slow stream has joined of several workers is nobody's."""
        if "+" in interval.worker:
            return
        self._by_worker.setdefault(interval.worker, GatheredHistograms(2)).take((interval.lag, interval.wait))

    def loads(self, usages: Mapping[str, Usage]) -> tuple[WorkerLoad, ...]:
        """By worker's name (`agent/number`). Of one without usage nothing is known of what it used; of one that was not
        heard the histograms are empty."""
        names = sorted({*self._by_worker, *usages})
        return tuple(WorkerLoad(name, *self._of(name), usages.get(name, Usage())) for name in names)

    def _of(self, worker: str) -> tuple[Histogram, Histogram]:
        lag, wait = self._by_worker.get(worker, GatheredHistograms(2)).merged()
        return lag, wait


class Timeline:
    """A line a second and arm. Open seconds hold histograms; a second that nothing can come to any more, a few
    numbers."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, Arm], GatheredIntervals] = {}
        self._lines: list[Second] = []

    def take(self, arm: Arm, interval: Interval) -> None:
        key = (interval.start_ns // NS_PER_S, arm)
        self._open.setdefault(key, GatheredIntervals()).take(dataclasses.replace(interval, segment=0))
        for past in [past for past in self._open if past[0] < key[0] - SECONDS_OPEN]:
            self._lines.append(_line(past, self._open.pop(past).merged()))
        if len(self._lines) > 2 * LINES_MOST:
            self._lines = fold_seconds(self._lines)

    def lines(self) -> tuple[Second, ...]:
        still = [_line(key, gathered.merged()) for key, gathered in self._open.items()]
        return tuple(sorted((*self._lines, *still), key=lambda line: (line.at_ns, line.arm)))

    def latest(self) -> Second | None:
        """Of both arms together, whether they are loaded in turn or at once."""
        if not self._open:
            return None
        newest = max(second for second, _ in self._open)
        whole = newest - 1 if any(second == newest - 1 for second, _ in self._open) else newest
        parts = [gathered.merged() for (second, _), gathered in self._open.items() if second == whole]
        return _line((whole, Arm.BASE), Interval.merge(parts))


def _line(key: tuple[int, Arm], interval: Interval) -> Second:
    quantiles = {
        name.value: part.response.quantiles([0.5, 0.99])
        for name, part in interval.operations.items()
        if part.response.total
    }
    return Second(
        at_ns=key[0] * NS_PER_S,
        arm=key[1],
        completed=interval.completed,
        failed=interval.failures,
        p50_ns={name: float(values[0]) for name, values in quantiles.items()},
        p99_ns={name: float(values[1]) for name, values in quantiles.items()},
    )


def _nothing(segment: Segment) -> Interval:
    empty = Histogram.empty()
    return Interval(segment.number, segment.offset_ns, segment.end_ns, 0, 0, 0, {}, empty, empty)
