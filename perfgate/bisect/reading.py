"""What one gate said of one metric, and how far it can be trusted beside the other gates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PRIOR_DF = 12.0
"""How many degrees of freedom the other gates' noise may count for: a gate of two pairs knows its own hardly at all."""


@dataclass(frozen=True, slots=True)
class Reading:
    """estimate: as of a gate's effect, positive is worse. se: its standard error over `pairs` pairs, with df."""

    estimate: float
    se: float
    df: float
    pairs: int

    @property
    def usable(self) -> bool:
        return self.df >= 1 and self.pairs >= 2 and math.isfinite(self.estimate) and 0 < self.se < math.inf


@dataclass(frozen=True, slots=True)
class Answer:
    """A gate of `candidate` against `base` (ids of commits): its readings by metric."""

    base: str
    candidate: str
    readings: Mapping[str, Reading]


def moderated(readings: Sequence[Reading]) -> list[Reading]:
    """Each with a variance between its own and that of all, weighted by degrees of freedom: s² = (d₀ s₀² + d s²) / (d₀ + d)
    with d₀ of the others, at most PRIOR_DF, and df d₀ + d (the moderated t of Smyth 2004, with a fixed bound for d₀)."""
    spread, total = pooled_variance(readings)
    found = []
    for one in readings:
        others = total - one.df
        prior_df = min(PRIOR_DF, others)
        own = one.se**2 * one.pairs
        rest = (spread * total - own * one.df) / others if others > 0 else own
        variance = (prior_df * rest + one.df * own) / (prior_df + one.df)
        found.append(Reading(one.estimate, math.sqrt(variance / one.pairs), prior_df + one.df, one.pairs))
    return found


def pooled_variance(readings: Sequence[Reading]) -> tuple[float, float]:
    """(variance of one pair's effect, degrees of freedom) of all gates together; (NaN, 0) of none."""
    total = sum(one.df for one in readings)
    if total <= 0:
        return math.nan, 0.0
    return sum(one.df * one.se**2 * one.pairs for one in readings) / total, total


def combined(readings: Sequence[Reading]) -> Reading:
    """Gates of the same two builds as one: mean weighted by pairs, the variance pooled."""
    pairs = sum(one.pairs for one in readings)
    estimate = sum(one.estimate * one.pairs for one in readings) / pairs
    variance, df = pooled_variance(readings)
    return Reading(estimate, math.sqrt(variance / pairs), df, pairs)
