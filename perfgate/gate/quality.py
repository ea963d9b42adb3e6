"""Errors and recall@k: a build that answers faster because it answers worse must not pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perfgate.gate.effect import Effect, Finding
from perfgate.gate.policy import Policy
from perfgate.gate.restarts import by_start
from perfgate.interval import Interval
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.stats.paired_counts import mcnemar_above
from perfgate.stats.spending import looks_so_far, nominal_levels, repeated_p
from perfgate.stats.student import p_above_zero, reach, t_bound
from perfgate.stats.trimmed import Estimate, trimmed_estimate

FIRST_LOAD = 0
"""`Pair.load` of the pairs that serve copies of what was loaded before the gate began."""
LEAST_LOADS = 4
"""Loadings of the data that decide a doubt: two or three counts of few answers may be alike by chance, and look certain."""
DOUBT = (Finding.OPEN, Finding.REGRESSED)
ONE_LOAD = (
    "answers that are lost after one loading of the data may be the luck of one index; each further pair's data are loaded anew, "
    "and those decide"
)
ONE_MOMENT = (
    "failures came together in few pairs, as when a host or a network stands still; a build that fails more does so in pair "
    "after pair"
)
NORMAL_DF = 1_000_000
"""So many degrees of freedom that Student's t is the normal distribution."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """Requests by arm: sent in all, failed, failed where the same request of the other arm did not."""

    total: dict[Arm, int]
    failed: dict[Arm, int]
    alone: dict[Arm, int]

    def share(self, arm: Arm) -> float:
        return self.failed[arm] / self.total[arm] if self.total[arm] else 0.0


def quality_effects(pairs: Sequence[Pair], policy: Policy, operations: Sequence[Operation]) -> list[Effect]:
    """Errors over all operations, and recall of each operation whose answers are checked. None without pairs."""
    if not pairs:
        return []
    fractions = looks_so_far(len(pairs), policy.looks)
    searching = [operation for operation in operations if operation is not Operation.STORE]
    recall = [recall_effect(pairs, policy, operation, len(searching), fractions) for operation in searching]
    return [errors_effect(pairs, policy, fractions), *(effect for effect in recall if effect is not None)]


def errors_effect(pairs: Sequence[Pair], policy: Policy, fractions: tuple[float, ...]) -> Effect:
    """Difference of the shares of failed requests, by McNemar's exact test on the requests replayed to both arms.

    It takes each request as a chance of its own, and requests that fail often fail together: so a BLOCK also asks that the
    differences pair by pair, as a trimmed mean, lie above 0 at the same level."""
    counts = _count(pairs)
    level = nominal_levels(policy.alpha_quality, fractions)[-1]
    difference = counts.share(Arm.CANDIDATE) - counts.share(Arm.BASE)
    requests = max(1, min(counts.total.values()))
    se = math.sqrt(sum(counts.alone.values())) / requests
    worse = mcnemar_above(counts.alone[Arm.CANDIDATE], counts.alone[Arm.BASE])
    better = mcnemar_above(counts.alone[Arm.BASE], counts.alone[Arm.CANDIDATE])
    finding = Finding.CLEAR if difference <= policy.error_margin else Finding.OPEN
    certain = difference > policy.error_margin and worse < level
    if certain and _in_pair_after_pair(pairs, policy, level):
        finding = Finding.REGRESSED
    elif difference < 0 and better < level:
        finding = Finding.IMPROVED
    bound = t_bound(level, NORMAL_DF) * se
    return Effect(
        statistic="errors", operation=None, primary=False, finding=finding, estimate=difference, se=se, df=requests - 1,
        lower=difference - bound, upper=difference + bound, pass_upper=None, p_nominal=worse,
        p_adjusted=repeated_p(worse, fractions), margin=policy.error_margin, detectable_80=None, detectable_99=None,
        per_pair=tuple(_share_difference([pair]) for pair in pairs),
        base_share=counts.share(Arm.BASE), candidate_share=counts.share(Arm.CANDIDATE),
        note=ONE_MOMENT if certain and finding is Finding.OPEN else "",
    )  # fmt: skip


def _in_pair_after_pair(pairs: Sequence[Pair], policy: Policy, level: float) -> bool:
    """Whether the candidate fails more by what pairs say, or processes where they serve several."""
    estimate = trimmed_estimate([_share_difference(served) for served in by_start(pairs)], policy.trim)
    return estimate.mean > reach(level, estimate)


def recall_effect(
    pairs: Sequence[Pair], policy: Policy, operation: Operation, family: int, fractions: tuple[float, ...]
) -> Effect | None:
    """Loss of recall (base - candidate) over pairs; both arms answered the same checked queries. None where fewer than
    two pairs checked anything. family: how many operations share alpha_quality.

    Pairs of the same two processes, which have one index each, count as one. So would all that serve copies of one loading
    of the data: an approximate index differs from loading to loading, and by how much nobody knows from one. What one loading
    shows is therefore only a doubt, after which the gate loads the data anew for each further pair, and those decide."""
    values = _lost([[pair] for pair in pairs], operation)
    anew = [pair for pair in pairs if pair.load != FIRST_LOAD]
    screened = len(anew) < len(pairs)
    units = _lost(by_start(anew), operation)
    first = _lost(by_start([pair for pair in pairs if pair.load == FIRST_LOAD]), operation)
    doubtful = screened and len(units) < LEAST_LOADS
    if len(first if doubtful else units) < 2:
        return None
    estimate = trimmed_estimate(first if doubtful else units, policy.trim)
    level = nominal_levels(policy.alpha_quality / family, fractions)[-1]
    block, passing = (reach(nominal, estimate) for nominal in (level, policy.alpha_pass))
    p = p_above_zero(estimate)
    finding = _recall_finding(estimate, block, policy)
    if doubtful and finding is not Finding.CLEAR:
        finding = Finding.OPEN if estimate.mean > 0 else Finding.CLEAR
    elif screened and finding is Finding.CLEAR and _with_first(units, first) > policy.recall_margin:
        finding = Finding.OPEN
    return Effect(
        statistic="recall", operation=operation, primary=False, finding=finding,
        estimate=estimate.mean, se=estimate.se, df=estimate.df,
        lower=estimate.mean - block, upper=estimate.mean + block, pass_upper=estimate.mean + passing, p_nominal=p,
        p_adjusted=min(1.0, repeated_p(p, fractions) * family), margin=policy.recall_margin,
        detectable_80=None, detectable_99=None, per_pair=tuple(values),
        base_share=_found(pairs, operation, Arm.BASE), candidate_share=_found(pairs, operation, Arm.CANDIDATE),
        note=ONE_LOAD if doubtful and finding is Finding.OPEN else "",
    )  # fmt: skip


def _with_first(units: Sequence[float], first: Sequence[float]) -> float:
    """The mean loss over all loadings, each counting alike."""
    return math.fsum([*units, math.fsum(first) / len(first)] if first else units) / (len(units) + bool(first))


def recall_doubtful(effects: Sequence[Effect]) -> bool:
    """Whether the data should be loaded anew for each further pair: what was found may be the luck of one index."""
    return any(effect.statistic == "recall" and effect.finding in DOUBT for effect in effects)


def _recall_finding(estimate: Estimate, block: float, policy: Policy) -> Finding:
    if estimate.mean - block > 0 and estimate.mean > policy.recall_margin:
        return Finding.REGRESSED
    if estimate.mean + block < 0 and -estimate.mean > policy.recall_margin:
        return Finding.IMPROVED
    return Finding.CLEAR if estimate.mean <= policy.recall_margin else Finding.OPEN


def _lost(units: Sequence[Sequence[Pair]], operation: Operation) -> list[float]:
    """base - candidate of each, without those in which nothing was checked."""
    shares = [(_found(pairs, operation, Arm.BASE), _found(pairs, operation, Arm.CANDIDATE)) for pairs in units]
    return [base - candidate for base, candidate in shares if not math.isnan(base + candidate)]


def _found(pairs: Sequence[Pair], operation: Operation, arm: Arm) -> float:
    """NaN where nothing was checked."""
    parts = [couple.arm(arm).operations.get(operation) for pair in pairs for couple in pair.usable]
    expected = sum(part.expected for part in parts if part)
    return sum(part.found for part in parts if part) / expected if expected else math.nan


def _count(pairs: Sequence[Pair]) -> _Counts:
    counts = _Counts(dict.fromkeys(Arm, 0), dict.fromkeys(Arm, 0), dict.fromkeys(Arm, 0))
    for pair in pairs:
        for couple in pair.usable:
            failed = {arm: _failed(couple.arm(arm)) for arm in Arm}
            for arm in Arm:
                interval = couple.arm(arm)
                unnamed = interval.failures - len(failed[arm])  # beyond the identities that are kept
                counts.total[arm] += interval.total
                counts.failed[arm] += interval.failures
                counts.alone[arm] += len(failed[arm] - failed[arm.other]) + unnamed
    return counts


def _failed(interval: Interval) -> set[int]:
    return {index for part in interval.operations.values() for index in part.failed}


def _share_difference(pairs: Sequence[Pair]) -> float:
    shares = []
    for arm in (Arm.CANDIDATE, Arm.BASE):
        loaded = [couple.arm(arm) for pair in pairs for couple in pair.usable]
        total = sum(interval.total for interval in loaded)
        shares.append(sum(interval.failures for interval in loaded) / total if total else 0.0)
    return shares[0] - shares[1]
