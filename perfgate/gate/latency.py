"""Latency metrics: from per-pair log ratios to effects with intervals, each at its own share of the error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perfgate.gate.effect import Effect, Finding
from perfgate.gate.pair_effect import QUANTILES, STATISTICS, PairEffect, pair_effect
from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.stats.diagnostics import lag1_correlation, order_effect
from perfgate.stats.spending import looks_so_far, nominal_levels
from perfgate.stats.student import detectable, p_above_zero, t_bound
from perfgate.stats.trimmed import Estimate, trimmed_estimate

PRIMARY = "p99"
DISAGREE_SES = 3.0


@dataclass(frozen=True, slots=True)
class Levels:
    """What this look may spend: one-sided nominal levels. final_block: of the last planned look, for what is
    detectable. promised: the share of the family's error that the metric owns."""

    block: float
    final_block: float
    promised: float
    passing: float


def levels(policy: Policy, metrics: int, primary: bool, pairs: int) -> Levels:
    """`metrics`: among how many metrics of its kind (operations' p99s, or the secondary ones) the share is split."""
    share = policy.primary_share if primary else 1 - policy.primary_share
    alpha = policy.alpha_block * share / metrics
    so_far = looks_so_far(pairs, policy.looks)
    planned = tuple(look / policy.looks[-1] for look in policy.looks)
    pass_looks = looks_so_far(pairs, [look for look in policy.looks if look >= policy.pass_from] or policy.looks[-1:])
    return Levels(
        block=nominal_levels(alpha, so_far)[-1],
        final_block=nominal_levels(alpha, planned)[-1],
        promised=alpha,
        passing=nominal_levels(policy.alpha_pass, pass_looks)[-1],
    )


def latency_effects(pairs: Sequence[Pair], policy: Policy, operations: Sequence[Operation]) -> list[Effect]:
    """p99, p95 and p50 of each operation, and the mean over operations of the p99s (operation None), which decides
    PASS. Operations without samples in some pair use the pairs that have them."""
    table = {operation: [pair_effect(pair, operation, policy) for pair in pairs] for operation in operations}
    effects = []
    for operation, found in table.items():
        usable = [effect for effect in found if effect is not None]
        if len(usable) < 2:
            continue
        pooled = {arm: _pooled(pairs, operation, arm) for arm in Arm}
        for column in (2, 1, 0):
            effects.append(_effect(operation, column, usable, pooled, policy, len(operations), len(pairs)))
    return [*effects, *_overall(table, policy, len(pairs))]


def judge(estimate: Estimate, level: Levels, policy: Policy, margin: float, floor_met: bool) -> Finding:
    """What a metric says by itself: rules 8 and 9."""
    threshold = math.log1p(margin)
    if estimate.df < 1:
        return Finding.OPEN
    reach = t_bound(level.block, estimate.df) * estimate.se
    if estimate.mean - reach > 0 and estimate.mean > math.log1p(policy.margin) and floor_met:
        return Finding.REGRESSED
    if estimate.mean + reach < 0:
        return Finding.IMPROVED
    passing = estimate.mean + t_bound(level.passing, estimate.df) * estimate.se
    return Finding.CLEAR if passing < threshold else Finding.OPEN


def _effect(
    operation: Operation, column: int, found: Sequence[PairEffect], pooled: Mapping[Arm, Histogram], policy: Policy,
    operations: int, pairs: int,
) -> Effect:  # fmt: skip
    primary = STATISTICS[column] == PRIMARY
    values = [effect.log_ratios[column] for effect in found]
    level = levels(policy, operations if primary else 2 * operations, primary, pairs)
    base, candidate = (pooled[arm].quantile(QUANTILES[column]) for arm in (Arm.BASE, Arm.CANDIDATE))
    firsts = np.concatenate([effect.candidate_first for effect in found])
    groups = np.concatenate([effect.by_group[:, column] for effect in found])
    return make_effect(
        STATISTICS[column], operation, primary, values, policy, level,
        margin=policy.margin * policy.operation_margin_factor, pairs=pairs,
        base_ns=base, candidate_ns=candidate, order=order_effect(groups, firsts),
    )  # fmt: skip


def make_effect(
    statistic: str, operation: Operation | None, primary: bool, values: Sequence[float], policy: Policy, level: Levels,
    margin: float, pairs: int, base_ns: float = 0.0, candidate_ns: float = 0.0, order: float | None = None,
) -> Effect:  # fmt: skip
    """The estimate over pairs with everything that a report says about it."""
    estimate = trimmed_estimate(values, policy.trim)
    reach = t_bound(level.block, estimate.df) * estimate.se if estimate.df >= 1 else math.inf
    p_nominal = p_above_zero(estimate)
    last = Estimate(estimate.mean, estimate.se * math.sqrt(min(1.0, pairs / policy.looks[-1])), estimate.df)
    ratio = candidate_ns / base_ns if base_ns > 0 else None
    floor_met = candidate_ns - base_ns > policy.floor_ns if base_ns else True
    return Effect(
        statistic=statistic,
        operation=operation,
        primary=primary,
        finding=judge(estimate, level, policy, margin, floor_met or policy.floor_ns == 0),
        estimate=estimate.mean,
        se=estimate.se,
        df=estimate.df,
        lower=estimate.mean - reach if math.isfinite(reach) else None,
        upper=estimate.mean + reach if math.isfinite(reach) else None,
        pass_upper=estimate.mean + t_bound(level.passing, estimate.df) * estimate.se if estimate.df >= 1 else None,
        p_nominal=p_nominal,
        p_adjusted=min(1.0, p_nominal * policy.alpha_block / level.promised),
        margin=margin,
        detectable_80=detectable(last, level.final_block, math.log1p(policy.margin), 0.80),
        detectable_99=detectable(last, level.final_block, math.log1p(policy.margin), 0.99),
        per_pair=tuple(float(value) for value in values),
        base_ns=base_ns,
        candidate_ns=candidate_ns,
        pooled_ratio=ratio,
        lag1=lag1_correlation(values),
        order_effect=order,
        note=_disagreement(estimate, ratio),
    )


def _overall(table: Mapping[Operation, Sequence[PairEffect | None]], policy: Policy, pairs: int) -> list[Effect]:
    """The mean over operations of the log p99 ratio, pair by pair. It takes part in PASS, not in BLOCK."""
    values = []
    for row in zip(*table.values(), strict=True):
        present = [effect.log_ratios[2] for effect in row if effect is not None]
        if len(present) == len(table):
            values.append(float(np.mean(present)))
    if len(values) < 2:
        return []
    level = levels(policy, 1, True, pairs)
    effect = make_effect(PRIMARY, None, True, values, policy, level, margin=policy.margin, pairs=pairs)
    return [effect]


def _pooled(pairs: Sequence[Pair], operation: Operation, arm: Arm) -> Histogram:
    parts = [couple.arm(arm).operations.get(operation) for pair in pairs for couple in pair.usable]
    return Histogram.merge([part.response for part in parts if part])


def _disagreement(estimate: Estimate, ratio: float | None) -> str:
    if ratio is None or ratio <= 0 or not estimate.se > 0:
        return ""
    if abs(math.log(ratio) - estimate.mean) <= DISAGREE_SES * estimate.se + 0.05:
        return ""
    return f"all samples pooled give {ratio:.2f} x: rare stalls weigh more there than slice by slice"
