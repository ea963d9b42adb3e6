"""Student's t: bounds, p values, and what a standard error lets a test see."""

from __future__ import annotations

import math
from functools import lru_cache

from perfgate.stats.trimmed import Estimate
from perfgate.stats.trimmed_t import as_student, from_student


@lru_cache(maxsize=4096)
def t_bound(level: float, df: float) -> float:
    """The t that is exceeded with probability `level` (one-sided); infinite without degrees of freedom."""
    from scipy.special import stdtrit

    bound = float(-stdtrit(df, level)) if df >= 1 else math.inf
    # Below some 1e-250 scipy's quantile overflows to the other side, where every estimate would lie beyond it.
    return math.inf if bound == -math.inf else bound


def reach(level: float, estimate: Estimate) -> float:
    """How far the one-sided bound at `level` lies from the mean: the trimmed t's point of that level, times the standard
    error. Infinite without degrees of freedom; NaN where the standard error is."""
    return trimmed_bound(level, estimate) * estimate.se if estimate.df >= 1 else math.inf


def trimmed_bound(level: float, estimate: Estimate) -> float:
    """`t_bound` for a mean that was trimmed as `estimate` was: the value that its t exceeds with probability `level`."""
    bound = t_bound(level, estimate.df)
    return from_student(bound, _count(estimate), estimate.cut) if math.isfinite(bound) else bound


def p_above_zero(estimate: Estimate) -> float:
    """One-sided p of a mean of 0 or less. An exact estimate (se 0) gives 0 or 1."""
    from scipy.special import stdtr

    if estimate.df < 1 or math.isnan(estimate.se):
        return 1.0
    if estimate.se == 0:
        return 0.0 if estimate.mean > 0 else 1.0
    t = as_student(estimate.mean / estimate.se, _count(estimate), estimate.cut)
    return float(stdtr(estimate.df, -t))


def detectable(estimate: Estimate, level: float, threshold: float, power: float) -> float | None:
    """The true effect that is found with probability `power`: its bound at `level` above 0 and its estimate above
    `threshold`. None where nothing can be said. The usual sum of two quantiles (Cohen 1988, chapter 2) with Student's
    in place of the normal's, at the standard error that was found."""
    if estimate.df < 1 or math.isnan(estimate.se):
        return None
    sure = trimmed_bound(1 - power, estimate)
    return max(threshold + sure * estimate.se, (trimmed_bound(level, estimate) + sure) * estimate.se)


def _count(estimate: Estimate) -> int:
    return round(estimate.df) + 2 * estimate.cut + 1
