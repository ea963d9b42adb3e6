"""The seam for arrival patterns. A new one is a file with its intensity, a line here, and its keys in the schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perfgate.arrivals.constant import ConstantRate
from perfgate.arrivals.periodic_burst import PeriodicBurst
from perfgate.arrivals.poisson import PoissonArrivals
from perfgate.arrivals.process import Arrivals, Intensity
from perfgate.arrivals.regular import RegularArrivals
from perfgate.errors import InputError
from perfgate.scenario.model import ArrivalSpec

INTENSITIES: Mapping[str, Callable[..., Intensity]] = {
    "constant": ConstantRate,
    "poisson": ConstantRate,
    "periodic_burst": PeriodicBurst,
}
"""Each takes the pattern's keys in `[arrival]` as keyword arguments."""

RANDOM_SPACING = frozenset({"poisson"})
"""Patterns whose arrivals fall at random; all others are spaced regularly."""


def make_intensity(spec: ArrivalSpec) -> Intensity:
    """The intensity of `[arrival]`. Raises InputError for a pattern that does not exist."""
    if spec.pattern not in INTENSITIES:
        raise InputError(f"arrival.pattern {spec.pattern!r} is unknown: write {', '.join(INTENSITIES)}")
    return INTENSITIES[spec.pattern](**spec.parameters)


def make_arrivals(spec: ArrivalSpec, seed: int) -> Arrivals:
    """The arrivals of `[arrival]`; the seed matters only to random spacing. Raises InputError."""
    intensity = make_intensity(spec)
    return PoissonArrivals(intensity, seed) if spec.pattern in RANDOM_SPACING else RegularArrivals(intensity)
