"""Intervals as JSON, histograms inside as base64 of HdrHistogram V2. Exact both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES

_PLAIN = ("segment", "start_ns", "end_ns", "due", "sent", "last_done_ns", "worker")


def operation_to_json(part: OperationInterval) -> dict[str, Any]:
    """JSON-ready; `outcomes` names only what occurred."""
    return {
        "response": part.response.to_json(),
        "service": part.service.to_json(),
        "outcomes": {
            outcome.name.lower(): count for outcome, count in zip(OUTCOMES, part.outcomes, strict=True) if count
        },
        "checked": part.checked,
        "found": part.found,
        "expected": part.expected,
        "failed": list(part.failed),
        **({"recalls": list(part.recalls)} if part.recalls else {}),
    }


def operation_from_json(data: Mapping[str, Any]) -> OperationInterval:
    """Raises KeyError, TypeError or ValueError for what `operation_to_json` did not write."""
    return OperationInterval(
        response=Histogram.from_json(data["response"]),
        service=Histogram.from_json(data["service"]),
        outcomes=_outcomes(data["outcomes"]),
        checked=data["checked"],
        found=data["found"],
        expected=data["expected"],
        failed=tuple(data["failed"]),
        recalls=tuple(data.get("recalls", ())),
    )


def _outcomes(counts: Mapping[str, int]) -> tuple[int, ...]:
    """Refuses an outcome it does not know: left out, a failure would vanish from the totals."""
    known = {outcome.name.lower() for outcome in OUTCOMES}
    if unknown := sorted(set(counts) - known):
        raise ValueError(f"unknown outcomes {unknown}")
    return tuple(counts.get(outcome.name.lower(), 0) for outcome in OUTCOMES)


def interval_to_json(interval: Interval) -> dict[str, Any]:
    """JSON-ready."""
    return {
        **{name: getattr(interval, name) for name in _PLAIN},
        "operations": _operations(interval.operations),
        "lag": interval.lag.to_json(),
        "wait": interval.wait.to_json(),
        "examples": list(interval.examples),
        **(
            {"spaces": {name: _operations(parts) for name, parts in interval.spaces.items()}} if interval.spaces else {}
        ),
    }


def interval_from_json(data: Mapping[str, Any]) -> Interval:
    """Raises KeyError, TypeError or ValueError for what `interval_to_json` did not write."""
    return Interval(
        **{name: data[name] for name in _PLAIN},
        operations=_from_operations(data["operations"]),
        lag=Histogram.from_json(data["lag"]),
        wait=Histogram.from_json(data["wait"]),
        examples=tuple(data["examples"]),
        spaces={name: _from_operations(parts) for name, parts in data.get("spaces", {}).items()},
    )


def _operations(parts: Mapping[Operation, OperationInterval]) -> dict[str, Any]:
    return {name.value: operation_to_json(part) for name, part in parts.items()}


def _from_operations(data: Mapping[str, Any]) -> dict[Operation, OperationInterval]:
    return {Operation(name): operation_from_json(part) for name, part in data.items()}
