"""What one pair says: effects from its couples, so that a burst that hits one slice does not decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.operation import Operation
from perfgate.pair import Couple, Pair
from perfgate.segment import Arm
from perfgate.stats.trimmed import trimmed_means

QUANTILES = (0.5, 0.95, 0.99)
STATISTICS = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class PairEffect:
    """One operation in one pair. log_ratios: p50, p95, p99 of candidate / base, as logs. by_group: float64 (groups, 3),
    what they were trimmed from. candidate_first: bool (groups,)."""

    log_ratios: tuple[float, float, float]
    by_group: NDArray[np.float64]
    candidate_first: NDArray[np.bool_]


PairEffects = Mapping[Operation, Sequence[PairEffect | None]]
"""For each operation what each pair says, in the order of the pairs; None where it says nothing."""


def pair_effects(pairs: Sequence[Pair], policy: Policy, operations: Sequence[Operation]) -> PairEffects:
    """Every operation in every pair."""
    return {operation: [pair_effect(pair, operation, policy) for pair in pairs] for operation in operations}


def pair_effect(pair: Pair, operation: Operation, policy: Policy) -> PairEffect | None:
    """None where an arm completed none of the operation's requests in the usable couples.

    Neighbouring couples are joined until each arm has `group_requests` of the operation; d is the trimmed mean over
    groups of log q(candidate) - log q(base), q interpolated in the histogram of the group's response times.
    """
    rows, firsts = [], []
    for group in _groups(pair.usable, operation, policy.group_requests):
        base, candidate = (_response(group, operation, arm) for arm in Arm)
        if base.total and candidate.total:
            # A reply in less than the clock's grain is 0 ns: 1 ns has a logarithm.
            quantiles = np.maximum([candidate.quantiles(QUANTILES), base.quantiles(QUANTILES)], 1.0)
            rows.append(np.log(quantiles[0]) - np.log(quantiles[1]))
            firsts.append(group[0].first is Arm.CANDIDATE)
    if not rows:
        return None
    table = np.array(rows)
    return PairEffect(trimmed_ratios(table, policy.couple_trim), table, np.array(firsts))


def trimmed_ratios(by_group: NDArray[np.float64], trim: float) -> tuple[float, float, float]:
    """The pair's log ratios from those of its groups, float64 (groups, 3); so does the simulator."""
    p50, p95, p99 = trimmed_means(by_group.T, trim).tolist()
    return p50, p95, p99


def group_numbers(counts: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Which group each couple belongs to, int64 (couples,). counts: requests of the operation, int64 (couples, arms).

    Neighbours are joined until each arm has `least`; a rest that has fewer joins the last group.
    """
    numbers = np.zeros(len(counts), dtype=np.int64)
    group, sums = 0, np.zeros(counts.shape[1], dtype=np.int64)
    for couple, count in enumerate(counts):
        numbers[couple] = group
        sums = sums + count
        if sums.min() >= least:
            group, sums = group + 1, np.zeros_like(sums)
    return np.minimum(numbers, max(0, group - 1))


def _groups(couples: Sequence[Couple], operation: Operation, least: int) -> list[list[Couple]]:
    counts = [[_completed(couple, operation, arm) for arm in Arm] for couple in couples]
    groups: dict[int, list[Couple]] = {}
    numbers = group_numbers(np.array(counts, dtype=np.int64).reshape(-1, len(Arm)), least)
    for couple, number in zip(couples, numbers.tolist(), strict=True):
        groups.setdefault(number, []).append(couple)
    return list(groups.values())


def _completed(couple: Couple, operation: Operation, arm: Arm) -> int:
    part = couple.arm(arm).operations.get(operation)
    return part.completed if part else 0


def _response(group: Sequence[Couple], operation: Operation, arm: Arm) -> Histogram:
    parts = [couple.arm(arm).operations.get(operation) for couple in group]
    return Histogram.merge([part.response for part in parts if part])
