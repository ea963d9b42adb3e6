"""What the numbers say about the conditions they were taken under."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

MIN_GROUP = 0.2
GAP_SDS = 4.0


def lag1_correlation(values: ArrayLike) -> float | None:
    """Correlation of neighbours in time; None for fewer than 4 values or none that differ."""
    data = np.asarray(values, dtype=np.float64)
    if len(data) < 4:
        return None
    centred = data - data.mean()
    power = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / power if power > 0 else None


def order_effect(values: ArrayLike, candidate_first: ArrayLike) -> float | None:
    """Mean of the values where the candidate came first minus the mean of the others; None where one is missing."""
    data, first = np.asarray(values, dtype=np.float64), np.asarray(candidate_first, dtype=np.bool_)
    if not first.any() or first.all():
        return None
    return float(data[first].mean() - data[~first].mean())


def is_bimodal(values: ArrayLike, min_gap: float) -> bool:
    """Whether values fall into two groups: the widest gap between neighbours is wider than `min_gap` and than 4 times
    the larger group's spread, and each side holds a fifth of the values. Meant for logs of processes' medians: a few
    outliers of bursts do not make a group."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if len(ordered) < 10:
        return False
    least = math.ceil(MIN_GROUP * len(ordered))
    gaps = np.diff(ordered)
    inner = gaps[least - 1 : len(ordered) - least]
    if not len(inner):
        return False
    position = int(np.argmax(inner)) + least
    spread = max(float(ordered[:position].std(ddof=1)), float(ordered[position:].std(ddof=1)))
    return bool(inner.max() > max(min_gap, GAP_SDS * spread))


def variance_split(per_group: list[list[float]]) -> tuple[float, float]:
    """(between, within) variance of one value a group, from several couples' values in each group (pair): within is
    the mean variance of a group's mean, between is what the groups' means vary beyond it (method of moments)."""
    groups = [np.asarray(group, dtype=np.float64) for group in per_group if len(group) > 1]
    if len(groups) < 2:
        return math.nan, math.nan
    means = np.array([group.mean() for group in groups])
    within = float(np.mean([group.var(ddof=1) / len(group) for group in groups]))
    return max(0.0, float(means.var(ddof=1)) - within), within
