"""Rule 14: whether fresh processes of one build start in one of two states, so that pairs compare luck."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perfgate.histogram import Histogram
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.stats.bimodality import is_bimodal

MIN_GAP = math.log(1.10)
"""Two groups of starts closer than 10 % do no harm that trimming would not mend."""


def log_medians(pairs: Sequence[Pair], operations: Sequence[Operation]) -> NDArray[np.float64]:
    """float64 (pairs, operations, 2): log of the median response time of each process; NaN where it answered none."""
    rows = [[[_log_median(pair, operation, arm) for arm in Arm] for operation in operations] for pair in pairs]
    return np.array(rows, dtype=np.float64).reshape(len(pairs), len(operations), len(Arm))


def of_each_start(medians: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """One row a couple of processes: the mean over the pairs that it served, as `medians` has one a pair (see
    `log_medians`). starts: int64 (pairs,). Pairs of one process are one start and must not look like several."""
    names, place = np.unique(starts, return_inverse=True)
    if len(names) == len(starts):
        return medians
    sums = np.zeros((len(names), *medians.shape[1:]))
    np.add.at(sums, place, medians)
    return sums / np.bincount(place).reshape(-1, *(1,) * (medians.ndim - 1))


def starts_are_bimodal(medians: NDArray[np.float64]) -> bool:
    """medians: see `log_medians`, a row a start. An operation at a time, asks each build's processes, and the differences
    of the two processes of a pair, in which what the host did to both cancels out."""
    for position in range(medians.shape[1]):
        base, candidate = medians[:, position, Arm.BASE], medians[:, position, Arm.CANDIDATE]
        whole = ~np.isnan(base) & ~np.isnan(candidate)
        base, candidate = base[whole], candidate[whole]
        if any(is_bimodal(values, MIN_GAP) for values in (base, candidate, candidate - base)):
            return True
    return False


def _log_median(pair: Pair, operation: Operation, arm: Arm) -> float:
    parts = [couple.arm(arm).operations.get(operation) for couple in pair.usable]
    pooled = Histogram.merge([part.response for part in parts if part])
    return math.log(max(1.0, pooled.quantile(0.5))) if pooled.total else math.nan
