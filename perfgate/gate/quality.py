"""Errors and recall@k: a build that answers faster because it answers worse must not pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perfgate.gate.effect import Effect, Finding
from perfgate.gate.latency import Levels
from perfgate.gate.policy import Policy
from perfgate.interval import Interval
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.stats.paired_counts import mcnemar_above
from perfgate.stats.spending import looks_so_far, nominal_levels
from perfgate.stats.student import p_above_zero, t_bound
from perfgate.stats.trimmed import Estimate, trimmed_estimate


def quality_effects(pairs: Sequence[Pair], policy: Policy, operations: Sequence[Operation]) -> list[Effect]:
    """Errors over all operations, and recall of each operation whose answers are checked."""
    level = nominal_levels(policy.alpha_quality, looks_so_far(len(pairs), policy.looks))[-1]
    effects = [errors_effect(pairs, policy, level)]
    searching = [operation for operation in operations if operation is not Operation.STORE]
    for operation in searching:
        effect = recall_effect(pairs, policy, operation, level / len(searching))
        if effect is not None:
            effects.append(effect)
    return effects


def errors_effect(pairs: Sequence[Pair], policy: Policy, level: float) -> Effect:
    """Difference of the shares of failed requests, by McNemar's exact test on the requests replayed to both arms."""
    totals = dict.fromkeys(Arm, 0)
    failures = dict.fromkeys(Arm, 0)
    only = dict.fromkeys(Arm, 0)
    for pair in pairs:
        for couple in pair.usable:
            failed = {arm: _failed(couple.arm(arm)) for arm in Arm}
            for arm in Arm:
                totals[arm] += couple.arm(arm).total
                failures[arm] += couple.arm(arm).failures
                unnamed = couple.arm(arm).failures - len(failed[arm])  # beyond the identities that are kept
                only[arm] += len(failed[arm] - failed[arm.other]) + unnamed
    shares = {arm: failures[arm] / totals[arm] if totals[arm] else 0.0 for arm in Arm}
    difference = shares[Arm.CANDIDATE] - shares[Arm.BASE]
    requests = max(1, min(totals.values()))
    se = math.sqrt(max(0.0, only[Arm.BASE] + only[Arm.CANDIDATE])) / requests
    p = mcnemar_above(only[Arm.CANDIDATE], only[Arm.BASE])
    better = mcnemar_above(only[Arm.BASE], only[Arm.CANDIDATE])
    finding = Finding.CLEAR if difference <= policy.error_margin else Finding.OPEN
    if difference > policy.error_margin and p < level:
        finding = Finding.REGRESSED
    elif difference < 0 and better < level:
        finding = Finding.IMPROVED
    reach = t_bound(level, 1_000_000) * se
    return Effect(
        statistic="errors", operation=None, primary=False, finding=finding, estimate=difference, se=se, df=requests - 1,
        lower=difference - reach, upper=difference + reach, pass_upper=None, p_nominal=p,
        p_adjusted=min(1.0, p * policy.alpha_quality / level), margin=policy.error_margin,
        detectable_80=None, detectable_99=None, per_pair=tuple(_share_difference(pair) for pair in pairs),
        base_share=shares[Arm.BASE], candidate_share=shares[Arm.CANDIDATE],
    )  # fmt: skip


def recall_effect(pairs: Sequence[Pair], policy: Policy, operation: Operation, level: float) -> Effect | None:
    """Loss of recall (base - candidate) over pairs; both arms answered the same checked queries. None when nothing
    was checked."""
    values, found, expected = [], dict.fromkeys(Arm, 0), dict.fromkeys(Arm, 0)
    for pair in pairs:
        shares = {}
        for arm in Arm:
            parts = [couple.arm(arm).operations.get(operation) for couple in pair.usable]
            hits = sum(part.found for part in parts if part)
            asked = sum(part.expected for part in parts if part)
            found[arm] += hits
            expected[arm] += asked
            shares[arm] = hits / asked if asked else math.nan
        if not any(math.isnan(share) for share in shares.values()):
            values.append(shares[Arm.BASE] - shares[Arm.CANDIDATE])
    if len(values) < 2:
        return None
    estimate = trimmed_estimate(values, policy.trim)
    bounds = Levels(block=level, final_block=level, promised=policy.alpha_quality, passing=policy.alpha_pass)
    reach = t_bound(bounds.block, estimate.df) * estimate.se
    p = p_above_zero(estimate)
    return Effect(
        statistic="recall", operation=operation, primary=False, finding=_recall_finding(estimate, reach, policy),
        estimate=estimate.mean, se=estimate.se, df=estimate.df,
        lower=estimate.mean - reach, upper=estimate.mean + reach,
        pass_upper=estimate.mean + t_bound(bounds.passing, estimate.df) * estimate.se, p_nominal=p,
        p_adjusted=min(1.0, p * policy.alpha_quality / level), margin=policy.recall_margin,
        detectable_80=None, detectable_99=None, per_pair=tuple(values),
        base_share=found[Arm.BASE] / expected[Arm.BASE], candidate_share=found[Arm.CANDIDATE] / expected[Arm.CANDIDATE],
    )  # fmt: skip


def _recall_finding(estimate: Estimate, reach: float, policy: Policy) -> Finding:
    if estimate.mean - reach > 0 and estimate.mean > policy.recall_margin:
        return Finding.REGRESSED
    if estimate.mean + reach < 0 and -estimate.mean > policy.recall_margin:
        return Finding.IMPROVED
    return Finding.CLEAR if estimate.mean <= policy.recall_margin else Finding.OPEN


def _failed(interval: Interval) -> set[int]:
    return {index for part in interval.operations.values() for index in part.failed}


def _share_difference(pair: Pair) -> float:
    shares = []
    for arm in (Arm.CANDIDATE, Arm.BASE):
        total = sum(couple.arm(arm).total for couple in pair.usable)
        shares.append(sum(couple.arm(arm).failures for couple in pair.usable) / total if total else 0.0)
    return shares[0] - shares[1]
