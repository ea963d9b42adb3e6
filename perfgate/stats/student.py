"""Student's t: bounds, p values, and what a standard error lets a test see."""

from __future__ import annotations

import math
from functools import lru_cache

from perfgate.stats.trimmed import Estimate


@lru_cache(maxsize=4096)
def t_bound(level: float, df: int) -> float:
    """The t that is exceeded with probability `level` (one-sided); infinite without degrees of freedom."""
    from scipy.special import stdtrit

    return float(-stdtrit(df, level)) if df >= 1 else math.inf


def p_above_zero(estimate: Estimate) -> float:
    """One-sided p of a mean of 0 or less. An exact estimate (se 0) gives 0 or 1."""
    from scipy.special import stdtr

    if estimate.df < 1 or math.isnan(estimate.se):
        return 1.0
    if estimate.se == 0:
        return 0.0 if estimate.mean > 0 else 1.0
    return float(stdtr(estimate.df, -estimate.mean / estimate.se))


def detectable(estimate: Estimate, level: float, threshold: float, power: float) -> float | None:
    """The true effect that is found with probability `power`: its bound at `level` above 0 and its estimate above
    `threshold`. None where nothing can be said. The usual sum of two quantiles (Cohen 1988, chapter 2) with Student's
    in place of the normal's, at the standard error that was found."""
    if estimate.df < 1 or math.isnan(estimate.se):
        return None
    sure = t_bound(1 - power, estimate.df)
    return max(threshold + sure * estimate.se, (t_bound(level, estimate.df) + sure) * estimate.se)
