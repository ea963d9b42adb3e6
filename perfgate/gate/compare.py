"""The decision: pairs in, a Comparison out. See docs/statistics.md for the rule in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perfgate.gate.comparison import Comparison
from perfgate.gate.effect import Effect, Finding
from perfgate.gate.latency import latency_effects
from perfgate.gate.limit_effects import limit_reasons
from perfgate.gate.policy import Policy
from perfgate.gate.quality import quality_effects
from perfgate.gate.reasons import inconclusive_reasons, pass_reasons, regression_reasons
from perfgate.gate.validity import fatal_problems, final_problems, usable_pairs
from perfgate.gate.variance import starts_are_bimodal, variance_shares
from perfgate.gate.verdict import Reason, Verdict, Word
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.scenario.model import ValidationSpec


def look_due(pairs: int, policy: Policy) -> bool:
    """Whether the rule is asked after so many pairs."""
    return pairs in policy.looks or pairs > policy.looks[-1]


def compare(
    pairs: Sequence[Pair],
    policy: Policy,
    operations: Sequence[Operation],
    validation: ValidationSpec | None = None,
    out_of_time: bool = False,
) -> Comparison:
    """Ask the rule. `out_of_time`: no further pair will come, so the answer is final whatever it is."""
    usable = usable_pairs(pairs)
    last = out_of_time or len(pairs) >= policy.looks[-1]
    effects = latency_effects(usable, policy, operations) + quality_effects(usable, policy, operations)
    verdict, decided = _decide(pairs, usable, effects, policy, operations, validation, last)
    look = sum(1 for planned in policy.looks if planned <= len(pairs))
    return Comparison(
        policy=policy,
        pairs=len(usable),
        look=look,
        final=decided or last,
        effects=tuple(effects),
        verdict=verdict,
        variance=variance_shares(usable, policy, operations),
        notes=tuple(f"{effect.name}: {effect.note}" for effect in effects if effect.note),
    )


def invalid(policy: Policy, pairs: Sequence[Pair], code: str, text: str, remedy: str) -> Comparison:
    """A measurement that broke off or cannot be used. Effects of what there is are not even shown."""
    verdict = Verdict(Word.INVALID, (Reason(code, text, remedy),), policy.competitive)
    return Comparison(policy, pairs=len(pairs), look=0, final=True, effects=(), verdict=verdict)


def _decide(
    pairs: Sequence[Pair], usable: Sequence[Pair], effects: Sequence[Effect], policy: Policy,
    operations: Sequence[Operation], validation: ValidationSpec | None, last: bool,
) -> tuple[Verdict, bool]:  # fmt: skip
    """(verdict, whether it stands before the last look)."""
    if problems := fatal_problems(usable, policy, operations):
        return _verdict(Word.INVALID, problems, policy), True
    if last and (problems := final_problems(pairs, usable, policy)):
        return _verdict(Word.INVALID, problems, policy), True
    enough = len(usable) >= policy.min_pairs
    blocking = regression_reasons(effects, policy) + (limit_reasons(usable, policy, validation) if validation else [])
    if enough and starts_are_bimodal(usable, operations):
        reason = Reason(
            "bimodal", "fresh processes of one build start in one of two states, so pairs compare luck",
            "make the start deterministic (threads, allocator, index build), or measure more pairs",
        )  # fmt: skip
        return _verdict(Word.INCONCLUSIVE, [reason, *blocking], policy), False
    if enough and blocking and not final_problems(pairs, usable, policy):
        return _verdict(Word.BLOCK, blocking, policy), True
    ripe = len(usable) >= max(policy.pass_from, policy.min_pairs)
    if ripe and passes(effects, policy) and not final_problems(pairs, usable, policy):
        return _verdict(Word.PASS, pass_reasons(effects, policy), policy), True
    return _verdict(Word.INCONCLUSIVE, inconclusive_reasons(effects, policy), policy), False


def passes(effects: Sequence[Effect], policy: Policy) -> bool:
    """Rule 9: the mean over operations below the margin, every operation's p99 below 1.6 times the margin, both with
    confidence; and errors and recall within their margins."""
    overall = [effect for effect in effects if effect.operation is None and effect.statistic == "p99"]
    primary = [effect for effect in effects if effect.operation is not None and effect.primary]
    quality = [effect for effect in effects if effect.statistic in ("errors", "recall")]
    if not overall or not primary:
        return False
    return (
        all(_below(effect, policy.margin) for effect in overall)
        and all(_below(effect, policy.margin * policy.operation_margin_factor) for effect in primary)
        and all(effect.finding in (Finding.CLEAR, Finding.IMPROVED) for effect in quality)
    )


def _below(effect: Effect, margin: float) -> bool:
    return effect.pass_upper is not None and effect.pass_upper < math.log1p(margin)


def _verdict(word: Word, reasons: Sequence[Reason], policy: Policy) -> Verdict:
    return Verdict(word, tuple(reasons), policy.competitive)
