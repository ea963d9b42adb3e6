"""The sentences of a verdict, for the developer whose merge it stopped."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from perfgate.gate.decision import QUALITY, is_overall, over_margin, unproven
from perfgate.gate.effect import Effect, Finding
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import blind_spots
from perfgate.gate.verdict import Reason
from perfgate.operation import Operation
from perfgate.units import BEYOND

ORDER = {"recall": 0, "errors": 1, "p99": 2, "p95": 3, "p50": 4}
BIMODAL = Reason(
    "bimodal",
    "fresh processes of one build start in one of two states, so pairs compare luck",
    "make the start deterministic (threads, allocator, index build), or measure more pairs",
)


def regression_reasons(effects: Sequence[Effect], policy: Policy) -> list[Reason]:
    """One a regressed metric: lost quality first, then the operation that lost most over all its quantiles. On a store
    with one thread a slower operation makes the others wait: the cause comes first, its p99 before its p95."""
    regressed = [effect for effect in effects if effect.finding is Finding.REGRESSED and not is_overall(effect)]
    loss = {effect.operation: _loss(effects, effect) for effect in regressed}
    quality = [effect for effect in regressed if effect.statistic in QUALITY]
    latency = [effect for effect in regressed if effect.statistic not in QUALITY]
    quality.sort(key=lambda effect: ORDER[effect.statistic])
    latency.sort(key=lambda effect: ORDER[effect.statistic])
    latency.sort(key=lambda effect: loss[effect.operation], reverse=True)
    return [_quality_reason(effect) for effect in quality] + [_latency_reason(effect, policy) for effect in latency]


def pass_reasons(effects: Sequence[Effect], policy: Policy) -> list[Reason]:
    """What was shown, and by how much it is better where it is."""
    overall = next(effect for effect in effects if is_overall(effect))
    worst = max((effect for effect in effects if effect.primary and effect.operation), key=lambda one: one.estimate)
    text = (
        f"no regression of more than {_percent(policy.margin)}: {policy.primary} over all operations is "
        f"{_times(overall.estimate)} the base's, at most {_at_most(overall, policy)} with "
        f"{_percent(1 - policy.alpha_pass)} confidence; the worst is {worst.name} at {_times(worst.estimate)}"
    )
    better = [_better(effect, policy) for effect in _improved(effects)]
    return [Reason("no_regression", text, blind_spots(policy), overall.name), *better]


def inconclusive_reasons(
    effects: Sequence[Effect], policy: Policy, operations: Sequence[Operation], pairs: int
) -> list[Reason]:
    """What stands in the way of PASS, the worst first, and what would decide it."""
    remedy = "measure more pairs, at a higher [arrival] rate, or on a quieter host"
    if pairs < policy.pass_from:
        text = f"{pairs} pairs show no regression, but PASS needs {policy.pass_from}"
        return [Reason("undecided", text, "give more time (--time-limit)")]
    worst = next(iter(unproven(effects, policy, operations)), None)
    if worst is None:
        return []
    if worst.statistic in QUALITY:
        return [dataclasses.replace(_quality_reason(worst), code="undecided", remedy=remedy)]
    if worst.pass_upper is None:
        text = f"{worst.name} was answered in too few pairs to say anything"
        return [Reason("undecided", text, "raise its weight or the [arrival] rate", worst.name)]
    if over_margin(worst, policy):
        text = (
            f"{worst.name} is {_times(worst.estimate)} the base's, over {_margin(worst, policy)}, but "
            f"chance may explain it ({_interval(worst)})"
        )
        return [Reason("undecided", text, remedy, worst.name)]
    text = (
        f"{worst.name} is {_times(worst.estimate)} the base's but may be up to {_at_most(worst, policy)}: "
        f"neither a regression of more than {_percent(policy.margin)} nor its absence is proven"
    )
    return [Reason("undecided", text, remedy, worst.name)]


def _improved(effects: Sequence[Effect]) -> list[Effect]:
    """The mean over operations last: what its operations say by themselves is more."""
    better = [effect for effect in effects if effect.finding is Finding.IMPROVED and effect.primary]
    return sorted(better, key=is_overall)


def _better(effect: Effect, policy: Policy) -> Reason:
    sure = _interval(effect)
    if is_overall(effect):
        sure = f"at most {_at_most(effect, policy)} with {_percent(1 - policy.alpha_pass)} confidence"
    text = f"{effect.name} improved to {_times(effect.estimate)} the base's ({sure})"
    return Reason("improved", text, metric=effect.name)


def _at_most(effect: Effect, policy: Policy) -> str:
    """The bound of PASS, as a change of the true quantile: of one for the worse, the estimate may hide some."""
    upper = effect.pass_upper or 0.0
    return _times(max(upper, upper / policy.shows))


def _latency_reason(effect: Effect, policy: Policy) -> Reason:
    name = effect.operation.value if effect.operation else "all operations"
    text = (
        f"{name} {effect.statistic} is {_times(effect.estimate)} the base's "
        f"({effect.base_ns / 1e6:.2f} ms -> {effect.candidate_ns / 1e6:.2f} ms; {_interval(effect)}), "
        f"over {_margin(effect, policy)}"
    )
    remedy = f"profile {name}; reproduce it with the command below"
    return Reason("regression", text, remedy, effect.name)


def _quality_reason(effect: Effect) -> Reason:
    base, candidate = effect.base_share or 0.0, effect.candidate_share or 0.0
    if effect.statistic == "errors":
        text = f"{_percent(candidate)} of the candidate's requests fail, {_percent(base)} of the base's"
        return Reason("errors", text, "see the failures by kind below", effect.name)
    name = effect.operation.value if effect.operation else ""
    text = (
        f"the candidate's {name} finds {_percent(candidate)} of the true answers, the base's {_percent(base)}: "
        f"{100 * effect.estimate:.1f} points lost, over the margin of {100 * effect.margin:.1f}"
    )
    return Reason(
        "recall", text, "a faster answer that is wrong is no improvement: look at the index's settings", effect.name
    )


def _loss(effects: Sequence[Effect], of: Effect) -> tuple[float, float]:
    """How much time an operation has lost for sure over its quantiles, in ns, and the mean of its log ratios.

    A response time is the wait that all operations share plus the operation's own service time, so the operation that
    lost most in ns is the one that became slower itself; in ratios the fast ones that wait for it can look worse.
    """
    own = [effect for effect in effects if effect.operation is of.operation and effect.statistic not in QUALITY]
    lost = sum(effect.base_ns * math.expm1(min(max(0.0, effect.lower or 0.0), BEYOND / 2)) for effect in own)
    return lost, sum(effect.estimate for effect in own) / max(1, len(own))


def _margin(effect: Effect, policy: Policy) -> str:
    """`the margin of 5 %`, or the absolute floor where that is what counts."""
    matters = policy.margin_at(effect.base_ns)
    if matters > policy.margin:
        return f"the absolute floor of {policy.floor_ns / 1e6:g} ms, here {_percent(matters)}"
    return f"the margin of {_percent(policy.margin)}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _times(estimate: float) -> str:
    return f"{_factor(estimate)} x"


def _factor(log_ratio: float) -> str:
    return f"{math.exp(log_ratio):.3f}" if log_ratio < math.log(BEYOND) else f"over {BEYOND:,}"


def _interval(effect: Effect) -> str:
    if effect.lower is None or effect.upper is None:
        return "no interval yet"
    return f"repeated confidence interval {_factor(effect.lower)} to {_factor(effect.upper)}"
