"""What moves in a run: latencies, memory and disk against hours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perfgate.operation import Operation
from perfgate.soak.drift import LEAST_PERIODS, Drift, Motion, drift
from perfgate.soak.periods import Period, operations

MATTERS = 0.05
"""The change over the whole run, a fraction of the level, below which nothing is said to creep."""
LEAST_BYTES = 1_000_000
"""A change of memory or disk below this is nobody's concern."""
WHOLE = 0.9
"""A period that is shorter than this share of its length is not compared with the others."""


@dataclass(frozen=True, slots=True)
class Finding:
    """what: `recall p99`, `memory`, `disk`. unit: `log ns` or `bytes`. drift: None where there are too few periods."""

    what: str
    unit: str
    drift: Drift | None
    motion: Motion
    per_store: float | None = None
    """Of memory and disk, where memories were stored: bytes more for each of them, by the line."""


def findings(periods: Sequence[Period], length_ns: int) -> list[Finding]:
    """Of the periods that count (see `judged`), in order: latencies by operation, memory, disk."""
    chosen = judged(periods, length_ns)
    found = [
        _latency(chosen, operation, name, share)
        for operation in operations(list(chosen))
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
    sampled = [period for period in chosen if period.samples]
    if sampled:
        found.append(_bytes("memory", sampled, lambda period: period.rss_bytes))
        if any(period.disk_bytes for period in sampled):
            found.append(_bytes("disk", sampled, lambda period: float(period.disk_bytes)))
    return found


def judged(periods: Sequence[Period], length_ns: int) -> Sequence[Period]:
    """Without the first, in which caches fill, as soon as enough others are there, and without what is not a whole period
    yet."""
    whole = [period for period in periods if period.seconds * 1e9 >= WHOLE * length_ns]
    return whole[1:] if len(whole) > LEAST_PERIODS else whole


def _latency(periods: Sequence[Period], operation: Operation, name: str, share: float) -> Finding:
    values = [_log(period.quantile(operation, share)) for period in periods]
    line = drift([period.middle_hours for period in periods], values)
    motion = line.motion(math.log1p(MATTERS)) if line else Motion.OPEN
    return Finding(f"{operation.value} {name}", "log ns", line, motion)


def _bytes(what: str, periods: Sequence[Period], size: Callable[[Period], float]) -> Finding:
    line = drift([period.middle_hours for period in periods], [size(period) for period in periods])
    if line is None:
        return Finding(what, "bytes", None, Motion.OPEN)
    motion = line.motion(max(LEAST_BYTES, MATTERS * line.level))
    stored = sum(_stored(period) for period in periods)
    a_period = line.hours / max(1, len(periods) - 1)
    grown = line.per_hour * a_period * len(periods)
    return Finding(what, "bytes", line, motion, grown / stored if stored else None)


def _stored(period: Period) -> int:
    part = period.interval.operations.get(Operation.STORE)
    return part.completed if part else 0


def _log(value: float) -> float:
    return math.log(value) if value > 0 else math.nan
