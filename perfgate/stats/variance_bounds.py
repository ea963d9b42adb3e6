"""How far a variance that was estimated can be from the true one."""

from __future__ import annotations

import math


def sd_bounds(sd: float, df: float, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided bounds of a standard deviation of normal values: sqrt(df s² / chi² quantile) (Snedecor and Cochran 1989,
    Statistical Methods, section 5.11). (0, inf) without a degree of freedom."""
    from scipy.special import chdtri

    if not df >= 1:
        return 0.0, math.inf
    tail = (1 - confidence) / 2
    return sd * math.sqrt(df / float(chdtri(df, tail))), sd * math.sqrt(df / float(chdtri(df, 1 - tail)))


def difference_df(first: float, first_df: float, second: float, second_df: float) -> float:
    """Degrees of freedom of the difference of two mean squares, (a - b)² / (a²/m + b²/n): Satterthwaite 1946, Biometrics
    Bulletin 2, who warns that it is rough where they differ little. At most first_df; 0 where the difference is not above 0.
    """
    if first <= second or first_df <= 0 or second_df <= 0:
        return 0.0
    return min(first_df, (first - second) ** 2 / (first**2 / first_df + second**2 / second_df))


def difference_upper(first: float, first_df: float, second: float, second_df: float, confidence: float = 0.95) -> float:
    """One-sided upper bound of what two mean squares estimate the difference of; at least 0.

    Modified large-sample bound: Graybill and Wang 1980; Ting et al. 1990; Burdick and Graybill 1992, Confidence Intervals
    on Variance Components, section 3.3. It keeps its level where the difference is near 0 and Satterthwaite's does not.
    """
    from scipy.special import chdtri, fdtri

    level = 1 - confidence
    if first_df < 1 or second_df < 1:
        return math.inf
    high = first_df / float(chdtri(first_df, confidence)) - 1
    low = 1 - second_df / float(chdtri(second_df, level))
    ratio = float(fdtri(first_df, second_df, level))
    mixed = ((1 - ratio) ** 2 - high**2 * ratio**2 - low**2) / ratio
    spread = high**2 * first**2 + low**2 * second**2 + mixed * first * second
    return max(0.0, first - second + math.sqrt(max(0.0, spread)))
