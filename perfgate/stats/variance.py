"""Where the variance of a pair's value comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class VarianceSplit:
    """Variances of one pair's value, by source: restart (between pairs of processes), drift (slow, inside a pair),
    within (sampling and what is over in a slice or two)."""

    restart: float
    drift: float
    within: float


def variance_split(per_pair: Sequence[ArrayLike]) -> VarianceSplit | None:
    """From the values of each pair's groups of slices, in order of time. None where fewer than two pairs have four.

    By the method of moments for nested random effects (Searle, Casella and McCulloch 1992, Variance Components, chapter
    3; Kalibera and Jones 2013 for benchmarks). `within` comes from differences of neighbours (von Neumann 1941), which a
    slow drift hardly moves; drift is what the two halves of a pair differ by beyond it; restart is what the pairs'
    means differ by beyond both. None is below 0.
    """
    groups = [group for group in (np.asarray(values, dtype=np.float64) for values in per_pair) if len(group) >= 4]
    if len(groups) < 2:
        return None
    means = np.array([group.mean() for group in groups])
    within = float(np.mean([np.mean(np.diff(group) ** 2) / 2 / len(group) for group in groups]))
    inside = float(np.mean([_half_difference(group) ** 2 for group in groups]))
    return VarianceSplit(
        restart=max(0.0, float(means.var(ddof=1)) - max(inside, within)), drift=max(0.0, inside - within), within=within
    )


def _half_difference(group: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Half of what the halves' means differ by: it varies as the mean of both does, without what they share."""
    middle = len(group) // 2
    return float(group[:middle].mean() - group[middle:].mean()) / 2
