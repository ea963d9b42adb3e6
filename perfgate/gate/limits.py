"""The scenario's absolute limits, checked on each arm: [validation]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.scenario.model import ValidationSpec
from perfgate.segment import Arm
from perfgate.units import NS_PER_MS, NS_PER_S


def check_limits(
    validation: ValidationSpec, arms: Mapping[Arm, Interval], measured_ns: Mapping[Arm, int]
) -> tuple[dict[str, Any], ...]:
    """One JSON-ready mapping a limit that the scenario sets: name, limit, unit, base, candidate, met_base,
    met_candidate. An arm without a measurement has the value None and does not meet the limit."""
    rows = []
    for name, limit, unit, value, at_most in _checks(validation):
        if limit is None:
            continue
        row: dict[str, Any] = {"name": name, "limit": limit, "unit": unit}
        for arm in Arm:
            if arm is Arm.CANDIDATE and arm not in arms and Arm.BASE in arms:
                continue  # a run without a gate has one arm
            measured = value(arms[arm], measured_ns[arm]) if arm in arms and measured_ns[arm] else None
            row[arm.name.lower()] = measured
            met = measured is not None and (measured <= limit if at_most else measured >= limit)
            row[f"met_{arm.name.lower()}"] = met
        rows.append(row)
    return tuple(rows)


def _checks(validation: ValidationSpec) -> tuple[tuple[str, float | None, str, Any, bool], ...]:
    return (
        ("expected_p99_latency_ms", validation.expected_p99_latency_ms, "ms", _p99_ms, True),
        ("expected_throughput_ops_sec", validation.expected_throughput_ops_sec, "ops/s", _throughput, False),
        ("max_error_rate", validation.max_error_rate, "share", _error_rate, True),
    )


def _p99_ms(interval: Interval, measured_ns: int) -> float | None:
    """Of all operations together; None when nothing was answered."""
    pooled = Histogram.merge([part.response for part in interval.operations.values()])
    return pooled.quantile(0.99) / NS_PER_MS if pooled.total else None


def _throughput(interval: Interval, measured_ns: int) -> float:
    """Completed requests a second of measured time."""
    return interval.completed / (measured_ns / NS_PER_S)


def _error_rate(interval: Interval, measured_ns: int) -> float | None:
    return interval.failures / interval.total if interval.total else None
