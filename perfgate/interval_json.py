"""Intervals as JSON, histograms inside as base64 of HdrHistogram V2. Exact both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perfgate.histogram.stored import histogram_of
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES
from perfgate.stored_form import WrongField, at, fields, needed, table_of, value_of

_PLAIN = ("segment", "start_ns", "end_ns", "due", "sent", "last_done_ns", "worker", "examples")
_COUNTS = ("checked", "found", "expected", "failed")


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
    """Raises WrongField for what `operation_to_json` did not write."""
    return OperationInterval(
        response=histogram_of(data, "response"),
        service=histogram_of(data, "service"),
        outcomes=_outcomes(needed(data, "outcomes")),
        **fields(OperationInterval, data, [*_COUNTS, *(["recalls"] if "recalls" in data else [])]),
    )


def _outcomes(counts: Any) -> tuple[int, ...]:
    """Refuses an outcome it does not know: left out, a failure would vanish from the totals."""
    known = {outcome.name.lower() for outcome in OUTCOMES}
    if unknown := sorted(set(table_of(counts, "outcomes")) - known):
        raise WrongField("outcomes", f"has unknown outcomes {unknown}")
    with at("outcomes"):
        return tuple(value_of(int, counts.get(name, 0), name) for name in (one.name.lower() for one in OUTCOMES))


def interval_to_json(interval: Interval) -> dict[str, Any]:
    """JSON-ready."""
    return {
        **{name: getattr(interval, name) for name in _PLAIN},
        "examples": list(interval.examples),
        "operations": _operations(interval.operations),
        "lag": interval.lag.to_json(),
        "wait": interval.wait.to_json(),
        **(
            {"spaces": {name: _operations(parts) for name, parts in interval.spaces.items()}} if interval.spaces else {}
        ),
    }


def interval_from_json(data: Mapping[str, Any]) -> Interval:
    """Raises WrongField for what `interval_to_json` did not write."""
    with at("spaces"):
        spaces = table_of(data.get("spaces", {}))
    return Interval(
        **fields(Interval, data, _PLAIN),
        operations=_from_operations(needed(data, "operations"), "operations"),
        lag=histogram_of(data, "lag"),
        wait=histogram_of(data, "wait"),
        spaces={name: _from_operations(parts, f"spaces.{name}") for name, parts in spaces.items()},
    )


def _operations(parts: Mapping[Operation, OperationInterval]) -> dict[str, Any]:
    return {name.value: operation_to_json(part) for name, part in parts.items()}


def _from_operations(data: Any, place: str) -> dict[Operation, OperationInterval]:
    parts = {}
    with at(place):
        for name, part in table_of(data).items():
            with at(name):
                parts[Operation(name)] = operation_from_json(table_of(part))
    return parts
