"""Whether something moves over time, and how fast: a straight line through periods whose errors follow each other.

Periods of one run are not independent: what is slow in one hour is often slow in the next. So the line is fitted by least
squares, and its error widened by the correlation r of neighbouring residuals: n periods count as n (1 - r) / (1 + r)
independent ones, in the standard error and in the degrees of freedom of Student's t (Santer et al., Statistical significance
of trends and trend differences in layer-average atmospheric temperature time series, J. Geophys. Res. 105 (2000) 7337, the
method "AdjSE + AdjDF").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from perfgate.stats.student import t_bound

CONFIDENCE = 0.99
LEAST_PERIODS = 6
_MOST_CORRELATION = 0.9
_LEAST_FREEDOM = 1.0


class Motion(StrEnum):
    """What a line says: it rises or falls for sure and by enough, it stays for sure, or neither can be said."""

    RISES = "rises"
    FALLS = "falls"
    STEADY = "steady"
    OPEN = "cannot tell"


@dataclass(frozen=True, slots=True)
class Drift:
    """per_hour: the slope, with a two-sided interval at CONFIDENCE, in the units of the values; level: the mean value. hours:
    from the first period's middle to the last one's. correlation: of neighbouring residuals. periods: how many."""

    per_hour: float
    lower: float
    upper: float
    level: float
    hours: float
    correlation: float
    periods: int

    def motion(self, matters: float) -> Motion:
        """matters: the change over the hours that would count, in the units of the values, above 0."""
        least, most = self.lower * self.hours, self.upper * self.hours
        if least > 0 and self.per_hour * self.hours >= matters:
            return Motion.RISES
        if most < 0 and self.per_hour * self.hours <= -matters:
            return Motion.FALLS
        return Motion.STEADY if -matters < least and most < matters else Motion.OPEN


def drift(hours: Sequence[float], values: Sequence[float], confidence: float = CONFIDENCE) -> Drift | None:
    """A line through values at these hours; values that are not finite are left out. None for fewer than LEAST_PERIODS, or
    all at one time."""
    at, value = np.asarray(hours, dtype=np.float64), np.asarray(values, dtype=np.float64)
    known = np.isfinite(at) & np.isfinite(value)
    at, value = at[known], value[known]
    if len(at) < LEAST_PERIODS or at.max() <= at.min():
        return None
    centred = at - at.mean()
    slope = float(centred @ value / (centred @ centred))
    rest = value - value.mean() - slope * centred
    correlation = _neighbours(rest)
    counted = len(at) * (1 - correlation) / (1 + correlation)
    freedom = max(_LEAST_FREEDOM, counted - 2)
    se = math.sqrt(float(rest @ rest) / freedom / float(centred @ centred))
    reach = t_bound((1 - confidence) / 2, freedom) * se
    return Drift(
        slope, slope - reach, slope + reach, float(value.mean()), float(at.max() - at.min()), correlation, len(at)
    )


def _neighbours(rest: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Lag-1 correlation, never below 0: residuals that alternate must not make the interval narrower."""
    total = float(rest @ rest)
    if total <= 0:
        return 0.0
    return min(_MOST_CORRELATION, max(0.0, float(rest[1:] @ rest[:-1]) / total))
