"""The seam for arrival patterns. A new one is a file with its intensity, a line here, and its keys in the schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perfgate.arrivals.constant import ConstantRate
from perfgate.arrivals.periodic_burst import PeriodicBurst
from perfgate.arrivals.poisson import PoissonArrivals
from perfgate.arrivals.process import Arrivals, Intensity
from perfgate.arrivals.regular import RegularArrivals
from perfgate.arrivals.replay import ReplayArrivals
from perfgate.arrivals.shapes import burst_sequence, diurnal, ramp, step
from perfgate.arrivals.superposition import Scaled, Superposition
from perfgate.errors import InputError
from perfgate.scenario.model import ArrivalSpec, Spacing

INTENSITIES: Mapping[str, Callable[..., Intensity]] = {
    "constant": ConstantRate,
    "poisson": ConstantRate,
    "exponential": ConstantRate,
    "periodic_burst": PeriodicBurst,
    "ramp": ramp,
    "step": step,
    "diurnal": diurnal,
    "burst_sequence": burst_sequence,
}
"""Each takes the pattern's keys in `[arrival]` as keyword arguments."""

PATTERNS = (*INTENSITIES, "composite", "replay")


def make_intensity(spec: ArrivalSpec) -> Intensity:
    """The intensity of `[arrival]`, or of a part of a composite one. Raises InputError for a pattern that has none."""
    if spec.pattern not in INTENSITIES:
        raise InputError(f"arrival.pattern {spec.pattern!r} is unknown: write {', '.join(PATTERNS)}")
    return INTENSITIES[spec.pattern](**spec.parameters)


def make_arrivals(spec: ArrivalSpec, seed: int, factor: float = 1.0) -> Arrivals:
    """The arrivals of `[arrival]`, at `factor` times its rate (not for a replay); the seed matters only to random spacing.
    Raises InputError."""
    parts = spec.parts if spec.pattern == "composite" else ((spec, 1.0),)
    if factor != 1:
        return Superposition(
            [_part(part, weight * factor, seed, number) for number, (part, weight) in enumerate(parts)]
        )
    if spec.pattern == "composite":
        return Superposition([_part(part, weight, seed, number) for number, (part, weight) in enumerate(parts)])
    if spec.trace is not None:
        return ReplayArrivals(spec.trace.columns().time_us, **spec.parameters)
    return _spaced(make_intensity(spec), spec.spacing, seed, 0)


def _part(spec: ArrivalSpec, weight: float, seed: int, number: int) -> Arrivals:
    intensity = make_intensity(spec)
    return _spaced(intensity if weight == 1 else Scaled(intensity, weight), spec.spacing, seed, number)


def _spaced(intensity: Intensity, spacing: Spacing, seed: int, part: int) -> Arrivals:
    return PoissonArrivals(intensity, seed, part) if spacing == "poisson" else RegularArrivals(intensity)
