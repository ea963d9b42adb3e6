"""Noise profiles: how much hosts differ. Standard deviations are in units of the log of the p99."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bursts:
    """Neighbours' bursts. gap, length: seconds between starts and of one, each `exponential` (given by its mean) or
    uniform between two bounds. level: added to the log p99 while it lasts, uniform between two bounds.

    p50, p95: how much of the level the other quantiles feel: a neighbour that takes the CPU for milliseconds now and
    then spoils a tail and leaves the median.
    """

    gap: tuple[float, float] | float
    length: tuple[float, float] | float
    level: tuple[float, float]
    p50: float = 1.0
    p95: float = 1.0


@dataclass(frozen=True, slots=True)
class Profile:
    """restart: one draw a process. host: AR(1) shared by both builds, as (time constant in s, sd). process: AR(1) of each
    process alone, with a time constant of 20 s."""

    name: str
    restart: float
    host: tuple[tuple[float, float], ...]
    process: float
    bursts: Bursts | None = None


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("quiet", 0.01, ((3, 0.01), (60, 0.01), (600, 0.01)), 0.005),
        Profile("typical", 0.03, ((3, 0.02), (60, 0.02), (600, 0.03)), 0.01, Bursts(120.0, 3.0, (0.10, 0.40))),
        Profile("noisy", 0.05, ((3, 0.04), (60, 0.04), (600, 0.05)), 0.02, Bursts(60.0, 5.0, (0.16, 0.64))),
        # Fitted to recordings of a store at half load on two shared cores: see docs/statistics.md.
        Profile(
            "shared", 0.03, ((3, 0.02), (60, 0.02), (600, 0.02)), 0.01,
            Bursts((20.0, 40.0), (1.0, 4.0), (0.2, 1.5), p50=0.2, p95=0.6),
        ),
    )
}  # fmt: skip
