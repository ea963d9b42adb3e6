"""Twins: in a duet each request goes to both builds at the same time, so one of the two must go out first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEP = np.uint64(0x9E37_79B9_7F4A_7C15)
MIX = (np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB))


def candidate_first(seed: int, index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For each request of the plan, by its index, whether the candidate's twin goes out before the base's: half of them,
    drawn from the run's seed, so that neither build gains by the order and every worker draws the same.

    The draw is a bit of SplitMix64 (Steele, Lea and Flood 2014), which needs no state and takes an index at a time.
    """
    with np.errstate(over="ignore"):
        mixed = (index.astype(np.uint64) + np.uint64(seed & (2**64 - 1))) * STEP + STEP
        mixed = (mixed ^ (mixed >> np.uint64(30))) * MIX[0]
        mixed = (mixed ^ (mixed >> np.uint64(27))) * MIX[1]
    first: NDArray[np.bool_] = (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(63) == 1
    return first


def interleaved(
    base: NDArray[np.uint32], candidate: NDArray[np.uint32], first: NDArray[np.bool_]
) -> NDArray[np.uint32]:
    """One after the other, request by request; `first`: see `candidate_first`. uint32 (2n,) of two times (n,)."""
    result = np.empty((len(base), 2), dtype=np.uint32)
    result[:, 0] = np.where(first, candidate, base)
    result[:, 1] = np.where(first, base, candidate)
    return result.ravel()
