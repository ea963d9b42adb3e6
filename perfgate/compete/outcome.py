"""What a competition says: the verdict about our loss, and each ratio of today with what it was held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perfgate.compete.fairness import Rule, broken_rules, rules
from perfgate.compete.frontiers import SEARCH, Frontier, frontier_of
from perfgate.compete.model import SATURATED, Measurement
from perfgate.compete.policy import CompetePolicy
from perfgate.compete.series import Past
from perfgate.compete.theta import OURS, Theta, thetas, unreached
from perfgate.gate.sessions import Loss, judge_loss
from perfgate.gate.verdict import Reason, Verdict, Word
from perfgate.stats.sessions import Session
from perfgate.units import format_percent

PastOf = Callable[[Theta], Sequence[Past]]
"""The stored sessions of a ratio's series, the oldest first."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A ratio of today, and how it stands against the stored sessions; loss None where it is not judged."""

    theta: Theta
    loss: Loss | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """standings: one a ratio, judged or not. frontiers: one a store, in their order. rules: of fairness, as they were
    checked. notes: for the reader; they change no verdict."""

    verdict: Verdict
    standings: tuple[Standing, ...]
    frontiers: tuple[Frontier, ...]
    rules: tuple[Rule, ...]
    notes: tuple[str, ...]


def decide(measured: Measurement, policy: CompetePolicy, past_of: PastOf) -> Outcome:
    """INVALID where the comparison was not fair or not whole; else BLOCK when for some judged ratio more than the margin was
    lost with confidence, PASS when all that can be judged have not, INCONCLUSIVE when that is open or nothing can be judged
    yet. Today's ratios are there in any case."""
    frontiers = tuple(frontier_of(measured, number, policy) for number in range(len(measured.stores)))
    found = thetas(measured, frontiers, policy)
    checked = rules(measured, policy)
    standings = _standings(found, policy, past_of)
    if problems := _problems(measured, frontiers, found, checked, policy):
        verdict = Verdict(Word.INVALID, tuple(problems), competitive=True)
    else:
        verdict = _verdict(measured, frontiers, standings, policy)
    return Outcome(verdict, standings, frontiers, tuple(checked), tuple(_notes(measured, frontiers, policy)))


def _standings(found: Sequence[Theta], policy: CompetePolicy, past_of: PastOf) -> tuple[Standing, ...]:
    """The error is shared by the ratios that have enough sessions behind them (Bonferroni)."""
    past = {place: _sessions(past_of(theta), policy) for place, theta in enumerate(found) if theta.judged}
    judged = sum(len(sessions) >= policy.least_sessions for sessions in past.values())
    alpha = policy.alpha / max(1, judged)
    return tuple(
        Standing(
            theta,
            judge_loss(Session(theta.mean, theta.se), past[place], policy.margin, alpha, policy.least_sessions)
            if place in past
            else None,
        )
        for place, theta in enumerate(found)
    )


def _sessions(past: Sequence[Past], policy: CompetePolicy) -> list[Session]:
    return [Session(one.mean, one.se) for one in past if one.counts][-policy.most_sessions :]


def _problems(
    measured: Measurement,
    frontiers: Sequence[Frontier],
    found: Sequence[Theta],
    checked: list[Rule],
    policy: CompetePolicy,
) -> list[Reason]:
    if measured.broken:
        return [Reason(*measured.broken)]
    problems = broken_rules(checked)
    for store, one in zip(measured.stores, frontiers, strict=True):
        if all(one.faults):
            problems.append(_unusable(store.label, one.faults[0], policy))
    if not problems and measured.rounds < policy.min_rounds:
        text = f"only {measured.rounds} rounds were measured, {policy.min_rounds} are needed"
        problems.append(Reason("too_few_rounds", text, "give more time (--time-limit)"))
    if not problems and not found and not unreached(measured, frontiers):
        problems.append(
            Reason("nothing_compared", "no ratio could be measured in enough rounds", "look at the faults below")
        )
    return problems


def _unusable(label: str, fault: str, policy: CompetePolicy) -> Reason:
    if fault == SATURATED:
        text = f"{label} cannot hold the offered rate at any value of its search parameter"
        return Reason(SATURATED, text, "lower [arrival] rate: it is the same for every store")
    return Reason(
        "unusable", f"nothing that {label} did can be used: {fault}", "see the faults below, and the agent's log"
    )


def _verdict(
    measured: Measurement, frontiers: Sequence[Frontier], standings: Sequence[Standing], policy: CompetePolicy
) -> Verdict:
    if OURS in unreached(measured, frontiers):
        return Verdict(Word.INCONCLUSIVE, (_not_reached(measured, frontiers, OURS, policy),), competitive=True)
    judged = [one for one in standings if one.loss and one.loss.word]
    waiting = [one for one in standings if one.loss and not one.loss.word]
    blocking = [one for one in judged if one.loss and one.loss.word is Word.BLOCK]
    if blocking:
        blocking.sort(key=lambda one: -(one.loss.loss or 0.0) if one.loss else 0.0)
        return Verdict(Word.BLOCK, tuple(_lost(measured, one, policy) for one in blocking), competitive=True)
    open_ = [one for one in judged if one.loss and one.loss.word is Word.INCONCLUSIVE]
    if open_:
        return Verdict(Word.INCONCLUSIVE, tuple(_open(measured, one, policy) for one in open_), competitive=True)
    if judged:
        return Verdict(
            Word.PASS, (_kept(measured, judged, policy), *_waiting(measured, waiting, policy)), competitive=True
        )
    if waiting:
        return Verdict(Word.INCONCLUSIVE, tuple(_waiting(measured, waiting, policy)), competitive=True)
    missing = [_not_reached(measured, frontiers, one, policy) for one in unreached(measured, frontiers)]
    return Verdict(Word.INCONCLUSIVE, tuple(missing), competitive=True)


def _lost(measured: Measurement, one: Standing, policy: CompetePolicy) -> Reason:
    assert one.loss is not None
    text = (
        f"against {_name(measured, one)} {one.theta.metric} lost {_change(one.loss.loss)} since the last {one.loss.sessions} "
        f"sessions, for sure more than {_change(one.loss.lower)}: over the margin of {format_percent(policy.margin)}"
    )
    return Reason(
        "lost", text, "gate the commits since the last session (perfgate bisect) to find the cause", one.theta.metric
    )


def _open(measured: Measurement, one: Standing, policy: CompetePolicy) -> Reason:
    assert one.loss is not None
    text = (
        f"against {_name(measured, one)} {one.theta.metric} moved by {_change(one.loss.loss)} since the last "
        f"{one.loss.sessions} sessions, but anything from {_change(one.loss.lower)} to {_change(one.loss.upper)} is possible: "
        f"neither a loss of more than {format_percent(policy.margin)} nor its absence is proven"
    )
    return Reason("undecided", text, "more rounds, more sessions, or a quieter host", one.theta.metric)


def _kept(measured: Measurement, judged: Sequence[Standing], policy: CompetePolicy) -> Reason:
    worst = max(judged, key=_upper)
    assert worst.loss is not None
    text = (
        f"nothing lost beyond the margin of {format_percent(policy.margin)}: the worst is {worst.theta.metric} against "
        f"{_name(measured, worst)}, {_change(worst.loss.loss)}, at most {_change(worst.loss.upper)}"
    )
    return Reason("not_lost", text, metric=worst.theta.metric)


def _upper(one: Standing) -> float:
    return -math.inf if one.loss is None or one.loss.upper is None else one.loss.upper


def _waiting(measured: Measurement, waiting: Sequence[Standing], policy: CompetePolicy) -> list[Reason]:
    found = []
    for competitor in sorted({one.theta.competitor for one in waiting}):
        fewest = min(one.loss.sessions for one in waiting if one.loss and one.theta.competitor == competitor)
        store = measured.stores[competitor]
        text = (
            f"{fewest} stored sessions against {store.label} {store.version}, {policy.least_sessions} are needed before a loss "
            "can be told; how we stand today is below"
        )
        found.append(Reason("too_few_sessions", text, "run it with --record, once a week"))
    return found


def _not_reached(measured: Measurement, frontiers: Sequence[Frontier], store: int, policy: CompetePolicy) -> Reason:
    best = max((one for one in frontiers[store].pooled.tolist() if math.isfinite(one)), default=0.0)
    text = (
        f"{measured.stores[store].label} does not reach a recall of {policy.recall:g} at any value of its search parameter "
        f"(at most {best:.3f}), so it cannot be compared at equal recall"
    )
    return Reason("recall_unreached", text, "add higher values to its [search], or ask for less with --recall")


def _notes(measured: Measurement, frontiers: Sequence[Frontier], policy: CompetePolicy) -> list[str]:
    notes = [
        _not_reached(measured, frontiers, one, policy).text for one in unreached(measured, frontiers) if one != OURS
    ]
    notes += [
        f"{store.label} holds the highest rate that is tried, {measured.rate_top:,.0f}/s: its throughput is at least that, "
        "and is not compared; raise [arrival] rate"
        for number, store in enumerate(measured.stores)
        if measured.at_top(number)
    ]
    for store, one in zip(measured.stores, frontiers, strict=True):
        if one.at and one.at.clamped and SEARCH in measured.operations:
            notes.append(
                f"{store.label} gives a recall of {one.pooled[one.at.low]:.3f} even at {store.parameter or 'its only value'} = "
                f"{store.values[one.at.low] or '–'}: it is compared there, and could be faster at {policy.recall:g}"
                if store.parameter
                else f"{store.label} has no search parameter: it is compared at its recall of {one.pooled[one.at.low]:.3f}"
            )
        notes += [
            f"{store.label} at {store.parameter} = {store.values[value]} is left out: {fault}"
            for value, fault in enumerate(one.faults)
            if fault and not all(one.faults)
        ]
    return notes


def _name(measured: Measurement, one: Standing) -> str:
    store = measured.stores[one.theta.competitor]
    return f"{store.label} {store.version}".strip()


def _change(log_ratio: float | None) -> str:
    return "?" if log_ratio is None else format_percent(math.expm1(log_ratio), signed=True)
