"""Whether a series of readings rises: a straight line through means of blocks, and how sure its slope is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfgate.stats.student import t_bound

LEVEL = 0.025
"""On each side: intervals of 95 %."""
FEWEST_BLOCKS = 5


@dataclass(frozen=True, slots=True)
class Slope:
    """Of readings by time. low, high: 95 % confidence interval; se_factor: by how much the autocorrelation of the blocks
    that are left widened it (1: not at all)."""

    value: float
    low: float
    high: float
    blocks: int
    se_factor: float

    @property
    def flat(self) -> bool:
        """Not different from 0."""
        return self.low <= 0 <= self.high


def fit_slope(times: Sequence[float], readings: Sequence[float], blocks: int) -> Slope:
    """Neighbouring readings are nearly the same reading, so a plain fit would be far too sure: means of blocks that are
    long against that are fitted (batch means, Law 2015, chapter 9), and what correlation is left between neighbouring
    blocks widens the interval as a first-order autoregression's does, by sqrt((1 + r) / (1 - r)).

    Raises ValueError for fewer than 5 blocks or fewer readings than blocks.
    """
    x, y = np.asarray(times, dtype=float), np.asarray(readings, dtype=float)
    if blocks < FEWEST_BLOCKS or len(x) < blocks:
        raise ValueError(f"{len(x)} readings in {blocks} blocks tell no slope: take {FEWEST_BLOCKS} blocks or more")
    centres = np.array([part.mean() for part in np.array_split(x, blocks)])
    means = np.array([part.mean() for part in np.array_split(y, blocks)])
    away = centres - centres.mean()
    value = float(away @ means / (away @ away))
    residuals = means - means.mean() - value * away
    squares = float(residuals @ residuals)
    factor = _widening(residuals, squares)
    error = math.sqrt(squares / (blocks - 2) / float(away @ away)) * factor
    reach = t_bound(LEVEL, blocks - 2) * error
    return Slope(value, value - reach, value + reach, blocks, factor)


def _widening(residuals: np.ndarray, squares: float) -> float:
    if squares <= 0:
        return 1.0
    r = float(residuals[1:] @ residuals[:-1]) / squares
    r = min(max(r, 0.0), 0.9)
    return math.sqrt((1 + r) / (1 - r))
