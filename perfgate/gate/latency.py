"""Latency metrics: from per-pair log ratios to effects with intervals, each at its own share of the error.

`latency_effects` takes an array (pairs, operations, quantiles): the gate fills it from histograms, the simulator from a
noise model, and both get the same answer to the same numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.effect import Effect, Finding
from perfgate.gate.pair_effect import QUANTILES, STATISTICS, PairEffects
from perfgate.gate.policy import Policy
from perfgate.gate.restarts import Served
from perfgate.histogram import Histogram
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.stats.diagnostics import lag1_correlation, order_effect
from perfgate.stats.spending import looks_so_far, nominal_levels, repeated_p
from perfgate.stats.starts import RestartSpread
from perfgate.stats.student import detectable, p_above_zero, reach
from perfgate.stats.trimmed import Estimate, trimmed_estimate

DISAGREE_SES = 3.0
DISAGREE_LEAST = 0.05


@dataclass(frozen=True, slots=True)
class Levels:
    """What this look may spend: one-sided nominal levels. final_block: of the last planned look, for what is
    detectable. share: of the family's error, the metric's own. fractions: the information at the looks so far."""

    block: float
    final_block: float
    passing: float
    share: float
    fractions: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Pooled:
    """One metric on all samples of all pairs together, and the order effect: shown, not judged (but for the floor)."""

    base_ns: float = 0.0
    candidate_ns: float = 0.0
    order: float | None = None


def levels(policy: Policy, share: float, pairs: int) -> Levels:
    """For a metric that owns `share` of the family's error, after `pairs` pairs."""
    so_far = looks_so_far(pairs, policy.looks)
    planned = tuple(look / policy.looks[-1] for look in policy.looks)
    pass_looks = looks_so_far(pairs, [look for look in policy.looks if look >= policy.pass_from] or policy.looks[-1:])
    return Levels(
        block=nominal_levels(policy.alpha_block * share, so_far)[-1],
        final_block=nominal_levels(policy.alpha_block * share, planned)[-1],
        passing=nominal_levels(policy.alpha_pass, pass_looks)[-1],
        share=share,
        fractions=so_far,
    )


def latency_table(found: PairEffects) -> NDArray[np.float64]:
    """float64 (pairs, operations, 3): log ratios of p50, p95, p99; NaN where a pair says nothing of an operation."""
    nothing = (math.nan, math.nan, math.nan)
    columns = [[effect.log_ratios if effect else nothing for effect in effects] for effects in found.values()]
    return np.array(columns, dtype=np.float64).transpose(1, 0, 2) if columns and columns[0] else np.empty((0, 0, 3))


def latency_effects(
    table: NDArray[np.float64],
    policy: Policy,
    operations: Sequence[Operation],
    pooled: Mapping[tuple[Operation, int], Pooled] | None = None,
    served: Served | None = None,
) -> list[Effect]:
    """p99, p95 and p50 of each operation, and the mean over operations of the primary ones (operation None), which decides
    PASS. table: see `latency_table`; pooled: by operation and position in STATISTICS. An operation without samples in
    some pair is judged on the pairs that have them, and left out with fewer than two. served: which processes served
    which pairs, where they are not fresh for each."""
    pairs, effects = served.pairs(policy) if served else len(table), []
    for position, operation in enumerate(operations if pairs else ()):
        for column in reversed(range(len(STATISTICS))):
            values = table[:, position, column]
            if np.isfinite(values).sum() < 2:
                continue
            primary = STATISTICS[column] == policy.primary
            family = len(operations) if primary else (len(STATISTICS) - 1) * len(operations)
            share = (policy.primary_share if primary else 1 - policy.primary_share) / family
            about = (pooled or {}).get((operation, column), Pooled())
            spread = served.restarts.spread(operation, STATISTICS[column], operations) if served else None
            found = _estimate(values, policy, served, spread)
            effects.append(
                _effect(
                    STATISTICS[column], operation, values, found, policy, levels(policy, share, pairs), pairs, about
                )
            )
    return [*effects, *_overall(table, policy, operations, served, _overall_margin(effects, policy))]


def _overall_margin(effects: Sequence[Effect], policy: Policy) -> float:
    """Of the mean over operations: the mean of their own, as logs, which differ where there is an absolute floor."""
    own = [math.log1p(policy.margin_at(effect.base_ns)) for effect in effects if effect.primary]
    return policy.pass_margin(math.expm1(sum(own) / len(own)) if own and policy.floor_ns else policy.margin)


def pooled_metrics(
    pairs: Sequence[Pair], found: PairEffects, operations: Sequence[Operation]
) -> dict[tuple[Operation, int], Pooled]:
    """What is shown beside the estimates."""
    result = {}
    for operation in operations:
        base, candidate = (_all_samples(pairs, operation, arm).quantiles(QUANTILES) for arm in Arm)
        usable = [effect for effect in found[operation] if effect is not None]
        firsts = np.concatenate([effect.candidate_first for effect in usable]) if usable else np.empty(0, dtype=bool)
        for column in range(len(STATISTICS)):
            groups = np.concatenate([effect.by_group[:, column] for effect in usable]) if usable else np.empty(0)
            base_ns, candidate_ns = (float(np.nan_to_num(arm[column])) for arm in (base, candidate))
            result[operation, column] = Pooled(base_ns, candidate_ns, order_effect(groups, firsts))
    return result


def _overall(
    table: NDArray[np.float64], policy: Policy, operations: Sequence[Operation], served: Served | None, margin: float
) -> list[Effect]:
    """The mean over operations of the log ratio of the primary quantile, pair by pair. It takes part in PASS, not in BLOCK."""
    if not len(table):
        return []
    values = table[:, :, STATISTICS.index(policy.primary)].mean(axis=1)
    if np.isfinite(values).sum() < 2:
        return []
    pairs = served.pairs(policy) if served else len(table)
    spread = served.restarts.spread(None, policy.primary, operations) if served else None
    found = _estimate(values, policy, served, spread)
    level = levels(policy, policy.primary_share, pairs)
    effect = _effect(policy.primary, None, values, found, policy, level, pairs, Pooled())
    return [dataclasses.replace(effect, margin=margin, finding=_overall_finding(effect, margin))]


def _overall_finding(effect: Effect, margin: float) -> Finding:
    """One metric that blocks nothing, so what it says is held to the error of PASS: an improvement of all operations
    together, too."""
    upper = math.inf if effect.pass_upper is None else effect.pass_upper
    if upper < 0:
        return Finding.IMPROVED
    if effect.finding is Finding.REGRESSED:
        return effect.finding
    return Finding.CLEAR if upper < math.log1p(margin) else Finding.OPEN


def _estimate(
    values: NDArray[np.float64], policy: Policy, served: Served | None, spread: RestartSpread | None
) -> tuple[Estimate, float | None]:
    """Over pairs, or over processes that serve several; and p that these differ as the calibration says."""
    if served and spread:
        return served.estimate(values, spread, policy)
    return trimmed_estimate(values[~np.isnan(values)], policy.trim), None


def _effect(
    statistic: str, operation: Operation | None, values: NDArray[np.float64], found: tuple[Estimate, float | None],
    policy: Policy, level: Levels, pairs: int, pooled: Pooled,
) -> Effect:  # fmt: skip
    """The estimate over pairs with everything that a report says about it."""
    estimate, starts_p = found
    values = values[~np.isnan(values)]
    matters = policy.margin_at(pooled.base_ns)
    margin = policy.pass_margin(matters if operation is None else matters * policy.operation_margin_factor)
    block, passing = (reach(nominal, estimate) for nominal in (level.block, level.passing))
    p_nominal = p_above_zero(estimate)
    at_last = dataclasses.replace(estimate, se=estimate.se * math.sqrt(min(1.0, pairs / policy.looks[-1])))
    sees = [detectable(at_last, level.final_block, math.log1p(matters), power) for power in (0.80, 0.99)]
    ratio = pooled.candidate_ns / pooled.base_ns if pooled.base_ns > 0 else None
    return Effect(
        statistic=statistic, operation=operation, primary=statistic == policy.primary,
        finding=_finding(estimate, block, passing, matters, margin),
        estimate=estimate.mean, se=estimate.se, df=estimate.df,
        lower=estimate.mean - block if math.isfinite(block) else None,
        upper=estimate.mean + block if math.isfinite(block) else None,
        pass_upper=estimate.mean + passing if math.isfinite(passing) else None,
        p_nominal=p_nominal, p_adjusted=min(1.0, repeated_p(p_nominal, level.fractions) / level.share),
        margin=margin, detectable_80=sees[0], detectable_99=sees[1], per_pair=tuple(values.tolist()),
        base_ns=pooled.base_ns, candidate_ns=pooled.candidate_ns, pooled_ratio=ratio,
        lag1=lag1_correlation(values), order_effect=pooled.order, note=_disagreement(estimate, ratio), starts_p=starts_p,
    )  # fmt: skip


def _finding(estimate: Estimate, block: float, passing: float, matters: float, margin: float) -> Finding:
    """What a metric says by itself: rules 8 and 9. matters: the change that blocks; margin: what PASS needs."""
    if estimate.mean - block > 0 and estimate.mean > math.log1p(matters):
        return Finding.REGRESSED
    if estimate.mean + block < 0:
        return Finding.IMPROVED
    return Finding.CLEAR if estimate.mean + passing < math.log1p(margin) else Finding.OPEN


def _all_samples(pairs: Sequence[Pair], operation: Operation, arm: Arm) -> Histogram:
    parts = [couple.arm(arm).operations.get(operation) for pair in pairs for couple in pair.usable]
    return Histogram.merge([part.response for part in parts if part])


def _disagreement(estimate: Estimate, ratio: float | None) -> str:
    """A word where slice by slice and all together say different things."""
    if ratio is None or ratio <= 0 or not estimate.se > 0:
        return ""
    if abs(math.log(ratio) - estimate.mean) <= DISAGREE_SES * estimate.se + DISAGREE_LEAST:
        return ""
    return f"all samples pooled give {ratio:.2f} x: rare stalls weigh more there than slice by slice"
