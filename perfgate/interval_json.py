"""Intervals as JSON, histograms inside as base64 of HdrHistogram V2. Exact both ways."""

from __future__ import annotations

from typing import Any

from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES

_PLAIN = ("segment", "start_ns", "end_ns", "due", "sent", "last_done_ns", "worker")


def operation_to_json(part: OperationInterval) -> dict[str, Any]:
    return {
        "response": part.response.to_json(),
        "service": part.service.to_json(),
        "outcomes": {outcome.name.lower(): count for outcome, count in zip(OUTCOMES, part.outcomes, strict=True) if count},
        "checked": part.checked,
        "found": part.found,
        "expected": part.expected,
        "failed": list(part.failed),
    }


def operation_from_json(data: dict[str, Any]) -> OperationInterval:
    return OperationInterval(
        response=Histogram.from_json(data["response"]),
        service=Histogram.from_json(data["service"]),
        outcomes=tuple(int(data["outcomes"].get(outcome.name.lower(), 0)) for outcome in OUTCOMES),
        checked=data["checked"],
        found=data["found"],
        expected=data["expected"],
        failed=tuple(data["failed"]),
    )


def interval_to_json(interval: Interval) -> dict[str, Any]:
    return {
        **{name: getattr(interval, name) for name in _PLAIN},
        "operations": {name.value: operation_to_json(part) for name, part in interval.operations.items()},
        "lag": interval.lag.to_json(),
        "wait": interval.wait.to_json(),
        "examples": list(interval.examples),
    }


def interval_from_json(data: dict[str, Any]) -> Interval:
    """Raises KeyError or ValueError for what `interval_to_json` did not write."""
    return Interval(
        **{name: data[name] for name in _PLAIN},
        operations={Operation(name): operation_from_json(part) for name, part in data["operations"].items()},
        lag=Histogram.from_json(data["lag"]),
        wait=Histogram.from_json(data["wait"]),
        examples=tuple(data["examples"]),
    )
