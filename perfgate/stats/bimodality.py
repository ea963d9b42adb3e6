"""Whether numbers fall into two groups."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

MIN_VALUES = 10
MIN_GROUP = 0.2
GAP_SDS = 4.0


def is_bimodal(values: ArrayLike, min_gap: float) -> bool:
    """Whether values fall into two groups: the widest gap between neighbours is wider than `min_gap` and than 4 times
    the wider group's standard deviation, and each side holds a fifth of the values.

    Meant for logs of processes' medians: a few outliers of bursts do not make a group, and a slow drift fills the gap.
    Fewer than 10 values never do. The statistic is the gap test of cluster analysis on one dimension (Hartigan 1975,
    Clustering Algorithms, chapter 4) with a threshold that the simulator sets (docs/statistics.md).
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if len(ordered) < MIN_VALUES:
        return False
    least = math.ceil(MIN_GROUP * len(ordered))
    inner = np.diff(ordered)[least - 1 : len(ordered) - least]
    if not len(inner):
        return False
    position = int(np.argmax(inner)) + least
    spread = max(float(ordered[:position].std(ddof=1)), float(ordered[position:].std(ddof=1)))
    return bool(inner.max() > max(min_gap, GAP_SDS * spread))
