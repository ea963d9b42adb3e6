"""Rules 8, 9 and 10: what effects say together. The gate and the simulator both ask here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perfgate.gate.effect import Effect, Finding
from perfgate.gate.pair_effect import STATISTICS
from perfgate.gate.policy import Policy
from perfgate.gate.restarts import unfit
from perfgate.gate.verdict import Word
from perfgate.operation import Operation

QUALITY = ("errors", "recall")


def decide(
    effects: Sequence[Effect], policy: Policy, operations: Sequence[Operation], pairs: int, bimodal: bool = False
) -> Word:
    """BLOCK and PASS stand as soon as they are said; INCONCLUSIVE means that more pairs are wanted. bimodal: starts fall
    into two groups (rule 14), which leaves every other question open, as does a calibration that does not fit."""
    if pairs < policy.min_pairs or bimodal or unfit(effects, policy):
        return Word.INCONCLUSIVE
    if any(effect.finding is Finding.REGRESSED for effect in effects if not is_overall(effect)):
        return Word.BLOCK
    if pairs >= policy.pass_from and not unproven(effects, policy, operations):
        return Word.PASS
    return Word.INCONCLUSIVE


def unproven(effects: Sequence[Effect], policy: Policy, operations: Sequence[Operation]) -> list[Effect]:
    """What stands in the way of PASS (rule 9), the worst first: the mean over operations below the margin and every
    operation's primary quantile below `operation_margin_factor` times the margin, both as groups show them and with
    confidence; errors and recall within their margins. Beyond that rule, no estimate of an operation's quantile, up to the
    primary one, may lie over the margin, even where chance would explain it. An operation on which too few pairs say
    anything is in the way with an effect of NaN."""
    primary = [effect for effect in effects if effect.primary]
    latency = [
        effect
        for effect in effects
        if effect.statistic in _judged(policy)
        and (over_margin(effect, policy) or (effect.primary and not _below(effect)))
    ]
    latency.sort(key=lambda effect: -(math.inf if effect.pass_upper is None else effect.pass_upper))
    quality = [effect for effect in effects if effect.statistic in QUALITY and effect.finding in _OPEN]
    present = {effect.operation for effect in primary if len(effect.per_pair) >= policy.min_pairs}
    missing = [_missing(policy.primary, operation) for operation in (*operations, None) if operation not in present]
    return missing + quality + latency


def is_overall(effect: Effect) -> bool:
    """The mean over operations, which decides PASS and takes no part in BLOCK."""
    return effect.operation is None and effect.statistic not in QUALITY


def over_margin(effect: Effect, policy: Policy) -> bool:
    """Whether the estimate itself lies over the margin, or over the absolute floor where that is more."""
    margin = effect.margin if is_overall(effect) else policy.margin_at(effect.base_ns)
    return effect.estimate > math.log1p(margin)


def _judged(policy: Policy) -> tuple[str, ...]:
    """The quantiles up to the primary one: what lies beyond it is too uncertain to hold a PASS back."""
    return STATISTICS[: STATISTICS.index(policy.primary) + 1]


_OPEN = (Finding.OPEN, Finding.REGRESSED)


def _below(effect: Effect) -> bool:
    return effect.pass_upper is not None and effect.pass_upper < math.log1p(effect.margin)


def _missing(statistic: str, operation: Operation | None) -> Effect:
    nan = math.nan
    return Effect(
        statistic,
        operation,
        True,
        Finding.OPEN,
        nan,
        nan,
        0,
        None,
        None,
        None,
        None,
        None,
        nan,
        None,
        None,
        per_pair=(),
    )
