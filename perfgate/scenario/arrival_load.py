"""From the checked `[arrival]` to an ArrivalSpec: every default filled in, every way of writing it turned into one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perfgate.errors import InputError
from perfgate.scenario.arrival_schema import AnyArrival, AnyPart, Composite, Ramp, Replay, Step
from perfgate.scenario.model import ArrivalSpec
from perfgate.scenario.trace import Trace


def arrival_spec(checked: AnyArrival, canonical: Mapping[str, Any], total_seconds: float) -> ArrivalSpec:
    """canonical: the same table with the trace's content in it. Raises InputError for a trace that is none."""
    if isinstance(checked, Composite):
        parts = tuple((_simple(part, total_seconds), part.weight) for part in checked.patterns)
        return ArrivalSpec(checked.pattern, {}, parts=parts)
    if isinstance(checked, Replay):
        if "trace" not in canonical:
            raise InputError("arrival.trace is missing: send Scenario.source as it is")
        return _replay(checked, Trace(canonical["path"], canonical["trace"]))
    return _simple(checked, total_seconds)


def _simple(checked: AnyArrival | AnyPart, total_seconds: float) -> ArrivalSpec:
    table = checked.model_dump(exclude={"weight"})
    pattern = table.pop("pattern")
    spacing = table.pop("spacing", "poisson" if pattern in ("poisson", "exponential") else "regular")
    if isinstance(checked, Ramp) and checked.duration_sec is None:
        table["duration_sec"] = total_seconds
    if isinstance(checked, Step):
        table = {"steps": [level.model_dump() for level in checked.levels()]}
    return ArrivalSpec(pattern, table, spacing)


def _replay(checked: Replay, trace: Trace) -> ArrivalSpec:
    try:
        rows = len(trace.columns())
    except ValueError as error:
        raise InputError(f"arrival.trace: {error}: name a CSV file with path instead") from error
    if rows * checked.rate_scale < 1:
        raise InputError(
            f"arrival.rate_scale = {checked.rate_scale:g} leaves nothing of the {rows} rows of {trace.name}: "
            f"write at least {1 / rows:.3g}"
        )
    return ArrivalSpec("replay", {"speed": checked.speed, "rate_scale": checked.rate_scale}, trace=trace)
