"""Whether tails are so heavy that trimming more makes an estimate surer."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from perfgate.stats.student import t_bound
from perfgate.stats.trimmed import trimmed_estimate


def symmetric_se(values: ArrayLike, trim: float) -> float:
    """Standard error of the trimmed mean of values that are known to lie symmetrically around 0: of the values and their
    mirror images, which halves what chance does to the tails. NaN for fewer than 2 values."""
    array = np.asarray(values, dtype=np.float64)
    return math.sqrt(2.0) * trimmed_estimate(np.concatenate([array, -array]), trim).se if len(array) > 1 else math.nan


def gain(values: ArrayLike, usual: float, more: float, count: int, level: float) -> float:
    """log of how much wider or narrower (below 0) the interval of `count` values at the one-sided `level` is with `more`
    trimmed at each end than with `usual`: t(df) SE of one over the other. 0 where nothing can be said.

    To choose the trim by the estimated variance of the mean itself is Jaeckel's rule (1971, Some flexible estimates of
    location, Annals of Mathematical Statistics 42); t is there because more trimming leaves fewer degrees of freedom.
    Normal values: 0.11 for 0.25 against 0.10 of 30. A third of them five times as wide: -0.2.
    """
    widths = []
    for trim in (more, usual):
        df = count - 2 * math.floor(trim * count + 1e-9) - 1
        widths.append(symmetric_se(values, trim) * t_bound(level, df))
    if not all(width > 0 and math.isfinite(width) for width in widths):
        return 0.0
    return math.log(widths[0] / widths[1])
