"""From the checked `[operations]` and `[correlation]` to what is drawn, and to the shares that come out of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from perfgate.operation import OPERATIONS, Operation
from perfgate.scenario.arrival_schema import AnyArrival, Diurnal
from perfgate.scenario.model import CorrelationSpec, MixSpec, MixStage
from perfgate.scenario.operations_schema import Correlation, Operations, Weights
from perfgate.scenario.trace import Trace
from perfgate.units import NS_PER_S, seconds_to_ns

Shares = Mapping[Operation, float]
_HOUR_S = 3_600
_DAY_S = 24 * _HOUR_S


def mix_spec(operations: Operations | None, arrival: AnyArrival) -> MixSpec | None:
    """None for a replay. The hours of a schedule are those of a diurnal `[arrival]`, unless it says otherwise."""
    if operations is None:
        return None
    days = arrival if isinstance(arrival, Diurnal) else None
    compression = operations.time_compression or (days.time_compression if days else 1.0)
    start_hour = operations.start_hour if operations.start_hour is not None else (days.start_hour if days else 0.0)
    second = NS_PER_S / compression
    taken = sorted((start, end, part) for part in operations.diurnal_schedule or () for start, end in part.stretches())
    stages, at = [], 0.0
    for start, end, part in taken:
        if start > at:
            stages.append(MixStage(round(at * _HOUR_S * second), _shares(operations)))
        stages.append(MixStage(round(start * _HOUR_S * second), _shares(part)))
        at = end
    if at < 24:
        stages.append(MixStage(round(at * _HOUR_S * second), _shares(operations)))
    return MixSpec(round(_DAY_S * second), round(start_hour * _HOUR_S * second), tuple(stages))


def correlation_spec(correlation: Correlation | None) -> CorrelationSpec | None:
    """None where recalls follow no stores."""
    if correlation is None or not correlation.enabled or not correlation.store_to_recall_prob:
        return None
    return CorrelationSpec(correlation.store_to_recall_prob, seconds_to_ns(correlation.delay_seconds()))


def overall_shares(
    mix: MixSpec | None, trace: Trace | None, correlation: CorrelationSpec | None, duration_ns: int
) -> Shares:
    """Of all requests over the duration, only the positive ones, in the order of OPERATIONS. With a schedule each
    stage counts by its time, whatever the rate is then."""
    if trace is not None:
        counts = np.bincount(trace.columns().operation, minlength=len(OPERATIONS))
        return {name: int(count) / int(counts.sum()) for name, count in zip(OPERATIONS, counts, strict=True) if count}
    assert mix is not None
    shares = _mean_shares(mix, duration_ns)
    if correlation is None:
        return shares
    followers = shares.get(Operation.STORE, 0.0) * correlation.store_to_recall_prob
    recalls = {Operation.RECALL: shares.get(Operation.RECALL, 0.0) + followers}
    joined = {**shares, **recalls}
    return {name: joined[name] / (1 + followers) for name in OPERATIONS if joined.get(name, 0.0) > 0}


def _shares(weights: Weights) -> Shares:
    given = {operation: getattr(weights, f"{operation.value}_weight") for operation in OPERATIONS}
    total = sum(given.values())
    return {operation: weight / total for operation, weight in given.items() if weight > 0}


def _mean_shares(mix: MixSpec, duration_ns: int) -> Shares:
    if len(mix.stages) == 1:
        return mix.stages[0].shares
    starts = np.array([stage.from_ns for stage in mix.stages])
    lengths = np.diff(starts, append=mix.day_ns)
    end_ns = mix.start_ns + duration_ns

    def spent(until_ns: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Time in each stage since the midnight before the start."""
        days, rest = divmod(until_ns, mix.day_ns)
        part: np.ndarray[tuple[int], np.dtype[np.float64]] = days * lengths + np.clip(rest - starts, 0, lengths)
        return part.astype(np.float64)

    time = spent(end_ns) - spent(mix.start_ns)
    total = {
        name: sum(stage.shares.get(name, 0.0) * float(part) for stage, part in zip(mix.stages, time, strict=True))
        for name in OPERATIONS
    }
    return {name: share / float(time.sum()) for name, share in total.items() if share > 0}
