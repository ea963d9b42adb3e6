"""Trimmed means and their standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-9
"""0.1 of 30 is 3, whatever floating point makes of it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """mean, its standard error and the degrees of freedom of Student's t that goes with it. cut: how many values were
    trimmed at each end of df + 2 cut + 1, which that t alone does not allow for (stats/trimmed_t.py)."""

    mean: float
    se: float
    df: float
    cut: int = 0


def trimmed_mean(values: ArrayLike, share: float) -> float:
    """Mean without floor(share x n) values at each end; NaN for none. share: 0 to below 0.5, at each end.

    Raises ValueError for a share outside that range.
    """
    ordered, cut = _ordered(values, share)
    return float(ordered[cut : len(ordered) - cut].mean()) if len(ordered) else math.nan


def trimmed_means(values: ArrayLike, share: float) -> NDArray[np.float64]:
    """`trimmed_mean` along the last axis of an array, without its NaNs: rows may hold different counts. float64 of the
    shape without that axis; NaN for a row that holds none."""
    _check(share)
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=-1)  # NaN comes last
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    cut = np.floor(share * count + ROUNDING).astype(np.int64)
    place = np.arange(ordered.shape[-1])
    kept = (place >= cut) & (place < count - cut)
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = np.where(kept, ordered, 0.0).sum(axis=-1) / kept.sum(axis=-1)
    return means


def trimmed_estimate(values: ArrayLike, share: float) -> Estimate:
    """Trimmed mean with its standard error: winsorised sd / ((1 - 2g/n) sqrt n), df = n - 2g - 1.

    Source: Yuen, K. K. (1974), The two-sample trimmed t for unequal population variances, Biometrika 61; Tukey and
    McLaughlin (1963). With share 0 these are the ordinary mean, standard error and df. NaN se for fewer than 2 values.
    """
    ordered, cut = _ordered(values, share)
    count = len(ordered)
    if count < 2:
        return Estimate(float(ordered.mean()) if count else math.nan, math.nan, 0)
    winsorised = ordered.copy()
    winsorised[:cut] = ordered[cut]
    winsorised[count - cut :] = ordered[count - cut - 1]
    kept = 1 - 2 * cut / count
    se = float(winsorised.std(ddof=1)) / (kept * math.sqrt(count))
    return Estimate(trimmed_mean(ordered, share), se, count - 2 * cut - 1, cut)


def _ordered(values: ArrayLike, share: float) -> tuple[NDArray[np.float64], int]:
    _check(share)
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    return ordered, math.floor(share * len(ordered) + ROUNDING)


def _check(share: float) -> None:
    if not 0 <= share < 0.5:
        raise ValueError(f"a share of {share} cannot be trimmed at each end: it must be at least 0 and below 0.5")
