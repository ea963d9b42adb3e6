"""How much of one build's slowness reaches the other while both are loaded: whether a duet may be used on this host.

Measured in blocks of two pairs, both duets: in one both sides run the same build, in the other one side runs a build with
a delay in it. What the undelayed side moves, as a share of what the delayed side moves, is the leak: the same share of a
regression would be hidden in a gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.errors import MeasurementError
from perfgate.gate.pair_effect import QUANTILES, STATISTICS, group_numbers
from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.interval import OperationInterval
from perfgate.operation import Operation
from perfgate.pair import Couple, Pair
from perfgate.segment import Arm
from perfgate.stats.student import reach
from perfgate.stats.trimmed import trimmed_estimate, trimmed_means

LEVEL = 0.05
"""One-sided, of each bound: a duet asks that the upper one keeps the limit."""
LEAST_BLOCKS = 4
"""Fewer say nothing with three degrees of freedom or less."""
WITHIN = (-2.0, 2.0)
"""Where share and bounds are looked for: a leak beyond 200 % either way is none that anybody could use."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """same: a pair with the same build on both sides; delayed: one with the delay in the candidate alone."""

    same: Pair
    delayed: Pair


@dataclass(frozen=True, slots=True)
class Leak:
    """share: other / delayed, with one-sided 95 % bounds. delayed, other: by how much the log of `operation`'s `statistic`
    moved on each side (0.1 is about 10 %)."""

    share: float
    lower: float
    upper: float
    operation: Operation
    statistic: str
    delayed: float
    other: float
    blocks: int


def estimate_leak(blocks: Sequence[Block], policy: Policy, operations: Sequence[Operation]) -> Leak:
    """Of the operation that the delay moves most. Raises MeasurementError where that is not proven to move at all, or for
    fewer than LEAST_BLOCKS blocks."""
    if len(blocks) < LEAST_BLOCKS:
        raise MeasurementError(
            f"{len(blocks)} usable blocks say nothing of the leak, {LEAST_BLOCKS} are needed; give --leak-blocks more, or "
            "keep other work off this host"
        )
    column = STATISTICS.index(policy.primary)
    shifts = {one: np.array([block_shifts(block, one, policy)[:, column] for block in blocks]) for one in operations}
    moved = {one: trimmed_estimate(values[:, Arm.CANDIDATE], policy.trim).mean for one, values in shifts.items()}
    operation = max(moved, key=lambda one: -math.inf if math.isnan(moved[one]) else moved[one])
    values = shifts[operation]
    return leak_of(values[:, Arm.BASE], values[:, Arm.CANDIDATE], policy, operation)


def leak_of(other: Floats, delayed: Floats, policy: Policy, operation: Operation) -> Leak:
    """other, delayed: by how much each side moved in each block, float64 (blocks,).

    The share is that at which the trimmed mean of other - share x delayed is 0; a bound is where its test just rejects
    (Fieller 1954, with the trimmed mean and its standard error in place of the ordinary ones). Raises MeasurementError
    where the delayed side has not moved for certain, and where a shift is NaN.
    """
    if not np.isfinite([other, delayed]).all():
        raise MeasurementError(
            f"in some of the {len(delayed)} blocks a build answered no {operation.value} at all, so what leaks cannot be told; "
            "see why it failed, or lower [arrival] rate"
        )
    found = trimmed_estimate(delayed, policy.trim)
    if not found.mean - reach(LEVEL, found) > 0:
        raise MeasurementError(
            f"the delayed build is not proven slower: its {operation.value} {policy.primary} moved by "
            f"{100 * math.expm1(found.mean):.1f} % over {len(delayed)} blocks; take a --leak-variant that is clearly slower, "
            "such as one with an operation that takes twice as long"
        )

    def test(share: float) -> tuple[float, float]:
        left = trimmed_estimate(other - share * delayed, policy.trim)
        return left.mean, reach(LEVEL, left)

    share = _crossing(lambda one: test(one)[0], *WITHIN)
    return Leak(
        share=share,
        lower=_crossing(lambda one: test(one)[0] - test(one)[1], WITHIN[0], share),
        upper=_crossing(lambda one: test(one)[0] + test(one)[1], share, WITHIN[1]),
        operation=operation,
        statistic=policy.primary,
        delayed=found.mean,
        other=trimmed_estimate(other, policy.trim).mean,
        blocks=len(delayed),
    )


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function passes 0, by bisection; an end of the range where it does not do so inside."""
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2


def block_shifts(block: Block, operation: Operation, policy: Policy) -> Floats:
    """By how much the delay moved the operation on each side, float64 (arms, 3): log p50, p95, p99 in the delayed pair
    minus their mean over both sides of the other one. NaN where a side answered nothing."""
    shifts: Floats = side_levels(block.delayed, operation, policy) - side_levels(block.same, operation, policy).mean(
        axis=0
    )
    return shifts


def side_levels(pair: Pair, operation: Operation, policy: Policy) -> Floats:
    """float64 (arms, 3): the trimmed mean over the pair's groups of couples of log p50, p95, p99 of each side."""
    couples = pair.usable
    counts = np.array([[_part(couple, operation, arm).completed for arm in Arm] for couple in couples], dtype=np.int64)
    numbers = group_numbers(counts.reshape(-1, len(Arm)), policy.group_requests)
    rows = []
    for number in np.unique(numbers).tolist():
        group = [couple for couple, mine in zip(couples, numbers.tolist(), strict=True) if mine == number]
        pooled = [Histogram.merge([_part(couple, operation, arm).response for couple in group]) for arm in Arm]
        rows.append([one.quantiles(QUANTILES) if one.total else np.full(len(QUANTILES), np.nan) for one in pooled])
    if not rows:
        return np.full((len(Arm), len(QUANTILES)), np.nan)
    return trimmed_means(np.moveaxis(np.log(np.maximum(rows, 1.0)), 0, -1), policy.couple_trim)


def _part(couple: Couple, operation: Operation, arm: Arm) -> OperationInterval:
    return couple.arm(arm).operations.get(operation) or OperationInterval.empty()
