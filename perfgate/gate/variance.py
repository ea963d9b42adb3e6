"""Where the noise comes from, and whether starts fall into two groups."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perfgate.gate.pair_effect import pair_effect
from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.stats.diagnostics import is_bimodal, variance_split

MIN_GAP = math.log(1.10)
"""Two groups of starts closer than 10 % do no harm that trimming would not mend."""


def variance_shares(
    pairs: Sequence[Pair], policy: Policy, operations: Sequence[Operation]
) -> tuple[tuple[str, float], ...]:
    """Share of the variance of a pair's log p99 ratio that lies between pairs (restarts, drift of a process) and
    within them (sampling, bursts), averaged over operations. Empty where it cannot be told."""
    between, within = [], []
    for operation in operations:
        effects = [pair_effect(pair, operation, policy) for pair in pairs]
        groups = [effect.by_group[:, 2].tolist() for effect in effects if effect is not None]
        outer, inner = variance_split(groups)
        if not math.isnan(outer):
            between.append(outer)
            within.append(inner)
    total = sum(between) + sum(within)
    if not total:
        return ()
    return (("between processes", sum(between) / total), ("within processes", sum(within) / total))


def starts_are_bimodal(pairs: Sequence[Pair], operations: Sequence[Operation]) -> bool:
    """Looks at the medians of the processes, an arm and operation at a time, beside those of the other arm so that what
    the host did to both cancels out."""
    for operation in operations:
        medians = {arm: [_log_median(pair, operation, arm) for pair in pairs] for arm in Arm}
        if any(value is None for values in medians.values() for value in values):
            continue
        differences = [
            candidate - base
            for base, candidate in zip(medians[Arm.BASE], medians[Arm.CANDIDATE], strict=True)
            if base is not None and candidate is not None
        ]
        if is_bimodal(differences, MIN_GAP):
            return True
    return False


def _log_median(pair: Pair, operation: Operation, arm: Arm) -> float | None:
    parts = [couple.arm(arm).operations.get(operation) for couple in pair.usable]
    pooled = Histogram.merge([part.response for part in parts if part])
    return math.log(pooled.quantile(0.5)) if pooled.total else None
