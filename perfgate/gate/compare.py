"""The decision: pairs in, a Comparison out. See docs/statistics.md for the rule in words."""

from __future__ import annotations

from collections.abc import Sequence

from perfgate.gate.comparison import Comparison
from perfgate.gate.decision import decide
from perfgate.gate.effect import Effect
from perfgate.gate.latency import latency_effects, latency_table, pooled_metrics
from perfgate.gate.limit_effects import Limits, limits_of
from perfgate.gate.pair_effect import pair_effects
from perfgate.gate.policy import Policy
from perfgate.gate.quality import quality_effects
from perfgate.gate.reasons import BIMODAL, inconclusive_reasons, pass_reasons, regression_reasons
from perfgate.gate.restarts import Restarts, Served, in_whole_starts, start_numbers, uncalibrated, unfit
from perfgate.gate.starts import log_medians, of_each_start, starts_are_bimodal
from perfgate.gate.validity import fatal_problems, final_problems, silent_candidate, usable_pairs
from perfgate.gate.variance import variance_shares
from perfgate.gate.verdict import Reason, Verdict, Word
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.scenario.model import ValidationSpec


def look_due(pairs: int, policy: Policy) -> bool:
    """Whether the rule is asked after so many pairs: at the planned looks, and at each pair that time allows after the
    last one."""
    return pairs in policy.looks or pairs > policy.looks[-1]


def compare(
    pairs: Sequence[Pair],
    policy: Policy,
    operations: Sequence[Operation],
    validation: ValidationSpec | None = None,
    out_of_time: bool = False,
    restarts: Restarts | None = None,
) -> Comparison:
    """Ask the rule. `out_of_time`: no further pair will come, so the answer is final whatever it is. restarts: what a
    calibration knows of starts, without which a policy whose processes serve several pairs judges no latency."""
    last = out_of_time or len(pairs) >= policy.looks[-1]
    pairs = in_whole_starts(pairs, policy)
    usable = usable_pairs(pairs)
    found = pair_effects(usable, policy, operations)
    missing = uncalibrated(policy, restarts, operations)
    served = Served(start_numbers(usable), restarts) if policy.starts and restarts and not missing else None
    table = latency_table(found)
    pooled = pooled_metrics(usable, found, operations)
    latency = [] if missing else latency_effects(table, policy, operations, pooled, served)
    effects = [*latency, *quality_effects(usable, policy, operations)]
    limits = limits_of(usable, policy, validation)
    verdict, decided = _verdict(pairs, usable, effects, limits, policy, operations, validation, last, missing)
    return Comparison(
        policy=policy,
        pairs=len(usable),
        look=sum(1 for planned in policy.looks if planned <= len(pairs)),
        final=decided or last,
        effects=tuple(effects),
        verdict=verdict,
        variance=variance_shares(found, start_numbers(usable)),
        notes=(*limits.both, *(f"{effect.name}: {effect.note}" for effect in effects if effect.note)),
    )


def invalid(policy: Policy, pairs: Sequence[Pair], code: str, text: str, remedy: str) -> Comparison:
    """A measurement that broke off or cannot be used. Effects of what there is are not even shown."""
    verdict = Verdict(Word.INVALID, (Reason(code, text, remedy),), policy.competitive)
    return Comparison(policy, pairs=len(pairs), look=0, final=True, effects=(), verdict=verdict)


def _verdict(
    pairs: Sequence[Pair], usable: Sequence[Pair], effects: Sequence[Effect], limits: Limits, policy: Policy,
    operations: Sequence[Operation], validation: ValidationSpec | None, last: bool, missing: Reason | None = None,
) -> tuple[Verdict, bool]:  # fmt: skip
    """(verdict, whether it stands before the last look). missing: the calibration that latencies cannot do without."""

    def say(word: Word, reasons: Sequence[Reason]) -> Verdict:
        return Verdict(word, tuple(reasons), policy.competitive)

    if problems := fatal_problems(usable, policy, operations, validation):
        return say(Word.INVALID, problems), True
    if problems := final_problems(pairs, usable, policy):
        if last:
            return say(Word.INVALID, problems), True
        return say(Word.INCONCLUSIVE, problems), False  # more pairs may mend it
    certain = [*silent_candidate(usable, operations), *limits.blocking]
    bimodal = starts_are_bimodal(of_each_start(log_medians(usable, operations), start_numbers(usable)))
    word = decide(effects, policy, operations, len(usable), bimodal)
    if word is Word.BLOCK or (certain and not bimodal):
        return say(Word.BLOCK, _blocking(certain, effects, policy)), True
    if word is Word.PASS and not limits.undecided:
        return say(Word.PASS, pass_reasons(effects, policy)), True
    if missing:
        return say(Word.INCONCLUSIVE, [missing]), True
    if doubt := unfit(effects, policy):
        return say(Word.INCONCLUSIVE, [doubt, *_blocking(certain, effects, policy)]), False
    first = [BIMODAL, *_blocking(certain, effects, policy)] if bimodal else []
    reasons = [*first, *limits.undecided, *inconclusive_reasons(effects, policy, operations, len(usable))]
    return say(Word.INCONCLUSIVE, reasons), False


def _blocking(certain: Sequence[Reason], effects: Sequence[Effect], policy: Policy) -> list[Reason]:
    """Silence first, regressions next, absolute limits last."""
    silence = [reason for reason in certain if reason.code == "errors"]
    limits = [reason for reason in certain if reason.code != "errors"]
    return [*silence, *regression_reasons(effects, policy), *limits]
