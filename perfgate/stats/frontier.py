"""Latency at equal recall: where stores answer differently well, only the frontier of recall and latency compares them.

A store is measured at several values of its search parameter. Values that another one beats, in recall and for sure in
latency, are left out (leaving out whatever looks worse would keep the luckiest ones, and flatter the noisiest store).
Between two neighbours of the rest the logarithm of the latency is taken to rise linearly with recall (the plot of Aumüller,
Bernhardsson and Faithfull 2020, ANN-Benchmarks, Information Systems 87, read between its points).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.stats.student import reach
from perfgate.stats.trimmed import trimmed_estimate

BEATEN_LEVEL = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bracket:
    """The wanted recall lies between columns low and high, `weight` of the way to high. clamped: the store gives more than
    is wanted even at its fastest value, which then stands for it: it cannot be faster than that in what was measured."""

    low: int
    high: int
    weight: float
    clamped: bool = False


def undominated(recalls: Floats, levels: Floats) -> list[int]:
    """Which values lie on the frontier, by rising recall. recalls: float64 (values,), NaN where not known. levels: float64
    (rounds, values), log latencies, NaN where missing. A value is beaten by one of no less recall that is faster, round by
    round, by more than chance explains (one-sided 5 %)."""
    known = np.flatnonzero(np.isfinite(recalls) & np.isfinite(levels).any(axis=0)).tolist()
    kept = [one for one in known if not any(_beaten(recalls, levels, one, other) for other in known if other != one)]
    return sorted(kept, key=lambda one: (recalls[one], -_mean(levels[:, one]), one))


def _beaten(recalls: Floats, levels: Floats, one: int, by: int) -> bool:
    if recalls[by] < recalls[one]:
        return False
    slower = levels[:, one] - levels[:, by]
    found = trimmed_estimate(slower[np.isfinite(slower)], 0.0)
    if not found.mean > 0:
        return False
    return found.se == 0 or (found.df >= 1 and found.mean > reach(BEATEN_LEVEL, found))


def _mean(levels: Floats) -> float:
    return float(levels[np.isfinite(levels)].mean())


def bracket(recalls: Floats, frontier: list[int], wanted: float) -> Bracket | None:
    """Where the wanted recall lies on a frontier of `undominated`; None where it is not reached."""
    if not frontier or recalls[frontier[-1]] < wanted:
        return None
    if recalls[frontier[0]] >= wanted:
        return Bracket(frontier[0], frontier[0], 0.0, clamped=bool(recalls[frontier[0]] > wanted))
    above = next(place for place, index in enumerate(frontier) if recalls[index] >= wanted)  # the recalls rise
    low, high = frontier[above - 1], frontier[above]
    return Bracket(low, high, float((wanted - recalls[low]) / (recalls[high] - recalls[low])))


def at_recall(levels: Floats, recalls: Floats, pooled: Floats, at: Bracket) -> Floats:
    """What each round says of the log latency at the wanted recall: float64 (rounds,), NaN where a value is missing.

    levels, recalls: float64 (rounds, values), log latencies and recalls of each round; pooled: float64 (values,), the recalls
    of all rounds, which the bracket was made from. Linear in what the round measured (the delta method at the pooled
    point), so that the spread over rounds holds the error of the recalls as well as that of the latencies; what a round's
    recalls move is bounded by the step between the two values, since a step in recall of nearly nothing says nothing.
    """
    return np.asarray(along(levels, at) - recall_shift(levels, recalls, pooled, at), dtype=np.float64)


def along(levels: Floats, at: Bracket) -> Floats:
    """Log latencies at the bracket's place, float64 (rows,). levels: float64 (rows, values)."""
    if at.low == at.high:
        return np.asarray(levels[:, at.low], dtype=np.float64)
    return np.asarray((1 - at.weight) * levels[:, at.low] + at.weight * levels[:, at.high], dtype=np.float64)


def recall_shift(levels: Floats, recalls: Floats, pooled: Floats, at: Bracket) -> Floats:
    """How much of each round's log latency is owed to its recalls being others than the pooled ones, float64 (rounds,); see
    `at_recall`."""
    if at.low == at.high:
        return np.zeros(len(levels))
    low, high = levels[:, at.low], levels[:, at.high]
    gap = pooled[at.high] - pooled[at.low]
    both = np.isfinite(low) & np.isfinite(high)
    rise = float(np.mean(high[both] - low[both])) if both.any() else np.nan
    moved = (1 - at.weight) * (recalls[:, at.low] - pooled[at.low]) + at.weight * (
        recalls[:, at.high] - pooled[at.high]
    )
    return np.asarray(np.clip(moved / gap, -1.0, 1.0) * rise, dtype=np.float64)


def between(values: Floats, at: Bracket) -> float:
    """A figure of the store's values, float64 (values,), at the wanted recall."""
    return float((1 - at.weight) * values[at.low] + at.weight * values[at.high])
