"""An arrival process in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from perfgate.arrivals.replay import ReplayArrivals
from perfgate.scenario.model import ArrivalSpec
from perfgate.units import format_duration

_SHOWN = 4
_RANDOM = ("poisson", "exponential")


def describe(spec: ArrivalSpec) -> list[str]:
    """The pattern and its parameters; a composite's parts on lines of their own."""
    if spec.parts:
        return ["composite, the sum of", *(f"  {weight:g} × {_simple(part)}" for part, weight in spec.parts)]
    if spec.trace is not None:
        played = ReplayArrivals(spec.trace.columns().time_us, **spec.parameters)
        rows = f"{len(spec.trace.columns()):,} rows, {format_duration(played.length_ns)} once"
        return [f"replay of {spec.trace.name} ({rows}; {_parameters(spec.parameters)})"]
    return [_simple(spec)]


def _simple(spec: ArrivalSpec) -> str:
    random = ", at random" if spec.spacing == "poisson" and spec.pattern not in _RANDOM else ""
    return f"{spec.pattern} ({_parameters(spec.parameters)}){random}"


def _parameters(parameters: Mapping[str, Any]) -> str:
    words = {"steps": _steps, "bursts": _bursts}
    return ", ".join(
        words[name](value) if name in words else f"{name} {value:,g}" for name, value in parameters.items()
    )


def _steps(steps: Sequence[Mapping[str, float]]) -> str:
    return _some([f"{one['ops']:,g} for {one['duration_sec']:,g} s" for one in steps])


def _bursts(bursts: Sequence[Mapping[str, float]]) -> str:
    return _some(
        [f"×{one['multiplier']:g} for {one['duration_sec']:,g} s after {one['delay_sec']:,g} s" for one in bursts]
    )


def _some(words: Sequence[str]) -> str:
    if len(words) <= _SHOWN:
        return ", ".join(words)
    return f"{', '.join(words[: _SHOWN - 1])}, … {words[-1]} ({len(words):,} in all)"
