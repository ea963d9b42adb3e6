"""Keys that are asked for more often than others: a Zipf law over them, hot ones anywhere among them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SCATTER = 0x9E37_79B1
"""Odd, near 2**32 divided by the golden ratio: ranks that follow each other lie far apart (Knuth, TAOCP 3, 6.4)."""


class Popularity:
    """The key of rank r of n is asked for in proportion to r ** -exponent."""

    def __init__(self, exponent: float) -> None:
        self._exponent = exponent

    def skewed(self, draw: Floats, size: NDArray[np.int64]) -> Floats:
        """Uniform draws, float64 (n), as draws whose integer part times size[i] has the law over size[i] keys."""
        result = np.empty(len(draw), dtype=np.float64)
        for keys in np.unique(size).tolist():
            mine = size == keys
            result[mine] = self._of(draw[mine], int(keys))
        return result

    def _of(self, draw: Floats, keys: int) -> Floats:
        rank = np.searchsorted(_cumulative(self._exponent, keys), draw, side="right")
        return ((rank * _step(keys)) % keys + 0.5) / keys


@lru_cache(maxsize=8)
def _cumulative(exponent: float, keys: int) -> Floats:
    """Shares of the ranks up to each but the last, rounded so that the last bits of a power do not matter."""
    weights = np.arange(1, keys + 1, dtype=np.float64) ** -exponent
    return np.round(np.cumsum(weights / weights.sum()), 12)[:-1]


def _step(keys: int) -> int:
    """Without a factor in common with the number of keys, so that each rank has a key of its own."""
    step = _SCATTER % keys or 1
    while np.gcd(step, keys) != 1:
        step += 1
    return step
