"""What is kept of long runs: fewer and longer lines, so that the record does not grow with the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from perfgate.interval import Interval
from perfgate.run import Second
from perfgate.units import NS_PER_S

LINES_MOST = 3_600
"""Lines of a timeline: up to an hour, one a second."""
LOG_LINES_MOST = 10_000
"""Lines of a worker in the log of intervals: up to some three hours, one a second."""


def fold_seconds(lines: Sequence[Second]) -> list[Second]:
    """Half as many, arm by arm: counts of two neighbours added up, the p50 their mean by count, the p99 the worse of the
    two. The exact quantiles of longer times are in the intervals, not here."""
    folded: list[Second] = []
    for arm in sorted({line.arm for line in lines}):
        mine = sorted((line for line in lines if line.arm is arm), key=lambda line: line.at_ns)
        folded += [_joined(*mine[at : at + 2]) if at + 1 < len(mine) else mine[at] for at in range(0, len(mine), 2)]
    return folded


def _joined(one: Second, other: Second) -> Second:
    names = dict.fromkeys([*one.p50_ns, *other.p50_ns])
    total = max(1, one.completed + other.completed)
    p50 = {
        name: (
            one.p50_ns.get(name, other.p50_ns.get(name, 0.0)) * one.completed
            + other.p50_ns.get(name, one.p50_ns.get(name, 0.0)) * other.completed
        )
        / total
        for name in names
    }
    p99 = {name: max(one.p99_ns.get(name, 0.0), other.p99_ns.get(name, 0.0)) for name in names}
    return dataclasses.replace(
        one, completed=one.completed + other.completed, failed=one.failed + other.failed, p50_ns=p50, p99_ns=p99
    )


class ThinLog:
    """Passes intervals on, one worker's of `step_ns` as one: at most LOG_LINES_MOST for a run of `duration_ns`. `close` passes
    on what is left; a run that is killed loses what lies less than a step back."""

    def __init__(self, keep: Callable[[Interval], None], duration_ns: int) -> None:
        self._keep = keep
        self._step_ns = max(NS_PER_S, -(-duration_ns // LOG_LINES_MOST))
        self._open: dict[tuple[str, int], Interval] = {}

    def take(self, interval: Interval) -> None:
        if self._step_ns <= NS_PER_S:
            self._keep(interval)
            return
        key, number = (interval.worker, interval.segment), interval.start_ns // self._step_ns
        known = self._open.pop(key, None)
        if known is not None and known.start_ns // self._step_ns == number:
            interval = Interval.merge([known, interval])
        elif known is not None:
            self._keep(known)
        self._open[key] = interval

    def close(self) -> None:
        for interval in self._open.values():
            self._keep(interval)
        self._open.clear()
