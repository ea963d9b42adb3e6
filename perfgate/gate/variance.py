"""Where the noise comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.pair_effect import STATISTICS, PairEffect, PairEffects
from perfgate.stats.variance import variance_split

P99 = STATISTICS.index("p99")
NOTHING = 1e-24
"""Variance of a log that is rounding alone: pairs that are all alike have no noise to be shared out."""


def variance_shares(found: PairEffects, starts: NDArray[np.int64]) -> tuple[tuple[str, float], ...]:
    """Shares of the variance of a pair's log p99 ratio, or of a process's where one serves several, averaged over
    operations: restart, drift, within. starts: which processes served each pair. Empty where it cannot be told."""
    series = [_by_start(effects, starts) for effects in found.values()]
    splits = [split for split in map(variance_split, series) if split is not None]
    total = sum(split.restart + split.drift + split.within for split in splits)
    if not total > NOTHING:
        return ()
    return tuple(
        (source, float(sum(getattr(split, source) for split in splits) / total))
        for source in ("restart", "drift", "within")
    )


def _by_start(effects: Sequence[PairEffect | None], starts: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """The groups of each couple of processes, in order of time."""
    parts: dict[int, list[NDArray[np.float64]]] = {}
    for effect, start in zip(effects, starts.tolist(), strict=True):
        if effect:
            parts.setdefault(start, []).append(effect.by_group[:, P99])
    return [np.concatenate(groups) for groups in parts.values()]
