"""The sentences of a verdict, for the developer whose merge it stopped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perfgate.gate.effect import Effect, Finding
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import blind_spots
from perfgate.gate.verdict import Reason

ORDER = {"recall": 0, "errors": 1, "p99": 2, "p95": 3, "p50": 4}


def regression_reasons(effects: Sequence[Effect], policy: Policy) -> list[Reason]:
    """One a regressed metric: lost quality first, then the operation that lost most over all its quantiles. On a store
    with one thread a slower operation makes the others wait, so the largest loss points at the cause."""
    regressed = [effect for effect in effects if effect.finding is Finding.REGRESSED and not _is_overall(effect)]
    loss = {effect.operation: _mean_loss(effects, effect) for effect in regressed}
    quality = [effect for effect in regressed if effect.statistic in ("recall", "errors")]
    latency = [effect for effect in regressed if effect.statistic not in ("recall", "errors")]
    quality.sort(key=lambda effect: ORDER[effect.statistic])
    latency.sort(key=lambda effect: (-loss[effect.operation], ORDER[effect.statistic]))
    return [_quality_reason(effect) for effect in quality] + [_latency_reason(effect, policy) for effect in latency]


def pass_reasons(effects: Sequence[Effect], policy: Policy) -> list[Reason]:
    """What was shown, and by how much it is better where it is."""
    (overall,) = (effect for effect in effects if _is_overall(effect))
    worst = max(
        (effect for effect in effects if effect.primary and effect.operation), key=lambda effect: effect.estimate
    )
    upper = math.exp(overall.pass_upper or 0.0)
    text = (
        f"no regression of more than {policy.margin:.0%}: p99 over all operations is {_times(overall.estimate)} "
        f"the base's, at most {upper:.3f} x with 95 % confidence; the worst is {worst.name} at {_times(worst.estimate)}"
    )
    reasons = [Reason("no_regression", text, blind_spots(policy), overall.name)]
    for effect in effects:
        if effect.finding is Finding.IMPROVED and effect.primary and effect.operation:
            text = f"{effect.name} improved to {_times(effect.estimate)} the base ({_interval(effect)})"
            reasons.append(Reason("improved", text, metric=effect.name))
    return reasons


def inconclusive_reasons(effects: Sequence[Effect], policy: Policy) -> list[Reason]:
    """Which metrics are still open and what would decide them."""
    still = [
        effect for effect in effects if effect.primary and effect.pass_upper is not None and not _clear(effect, policy)
    ]
    still.sort(key=lambda effect: -(effect.pass_upper or 0.0))
    if not still:
        return [Reason("undecided", "no pair has been compared yet", "let more pairs be measured")]
    worst = still[0]
    text = (
        f"{worst.name} is {_times(worst.estimate)} the base but may be up to "
        f"{math.exp(worst.pass_upper or 0.0):.3f} x: neither a regression of more than {policy.margin:.0%} nor its "
        "absence is proven"
    )
    remedy = "measure more pairs, at a higher [arrival] rate, or on a quieter host"
    return [Reason("undecided", text, remedy, worst.name)]


def _clear(effect: Effect, policy: Policy) -> bool:
    margin = policy.margin if effect.operation is None else policy.margin * policy.operation_margin_factor
    return (effect.pass_upper or 0.0) < math.log1p(margin)


def _latency_reason(effect: Effect, policy: Policy) -> Reason:
    name = effect.operation.value if effect.operation else "all operations"
    text = (
        f"{name} {effect.statistic} is {_times(effect.estimate)} the base's "
        f"({effect.base_ns / 1e6:.2f} ms -> {effect.candidate_ns / 1e6:.2f} ms; {_interval(effect)}), "
        f"over the margin of {policy.margin:.0%}"
    )
    remedy = f"profile {name}; reproduce it with the command below"
    return Reason("regression", text, remedy, effect.name)


def _quality_reason(effect: Effect) -> Reason:
    base, candidate = effect.base_share or 0.0, effect.candidate_share or 0.0
    if effect.statistic == "errors":
        text = f"{candidate:.2%} of the candidate's requests fail, {base:.2%} of the base's"
        return Reason("errors", text, "see the failures by kind below", effect.name)
    name = effect.operation.value if effect.operation else ""
    text = (
        f"{name} finds {candidate:.1%} of the true answers where the base finds {base:.1%}: "
        f"{100 * effect.estimate:.1f} points lost, over the margin of {100 * effect.margin:.1f}"
    )
    return Reason(
        "recall", text, "a faster answer that is wrong is no improvement: look at the index's settings", effect.name
    )


def _mean_loss(effects: Sequence[Effect], of: Effect) -> float:
    same = [
        effect.estimate
        for effect in effects
        if effect.operation is of.operation and effect.statistic in ("p50", "p95", "p99")
    ]
    return sum(same) / len(same) if same else 0.0


def _is_overall(effect: Effect) -> bool:
    return effect.operation is None and effect.statistic == "p99"


def _times(estimate: float) -> str:
    return f"{math.exp(estimate):.3f} x"


def _interval(effect: Effect) -> str:
    if effect.lower is None or effect.upper is None:
        return "no interval yet"
    return f"repeated confidence interval {math.exp(effect.lower):.3f} to {math.exp(effect.upper):.3f}"
