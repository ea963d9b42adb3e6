"""What makes a measurement say nothing, whatever its numbers are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from perfgate.gate.generator import lag_reason, offered_reason, spoilt_reason
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason
from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.pair import Pair
from perfgate.scenario.model import ValidationSpec
from perfgate.segment import Arm
from perfgate.units import format_percent
from perfgate.worker_load import WorkerLoad

MIN_COUPLES = 0.5
MAX_FAILURES = 0.05
"""A build of whose requests more fail in both arms is not fit to be compared: latencies of the rest are a selection. A lower
`[validation] max_error_rate` takes its place."""
MAX_UNEVEN = 0.01


def usable_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs of which at least half the couples count."""
    return [pair for pair in pairs if pair.couples and len(pair.usable) >= MIN_COUPLES * len(pair.couples)]


def fatal_problems(
    pairs: Sequence[Pair], policy: Policy, operations: Sequence[Operation], validation: ValidationSpec | None = None
) -> list[Reason]:
    """Problems that more pairs would not mend. `pairs`: the usable ones."""
    if not pairs:
        return []
    totals = {arm: Interval.merge(pair.total(arm) for pair in pairs) for arm in Arm}
    checks = (
        _failing(totals, validation), _empty(totals, operations), _cut(pairs), _offered(totals, policy), _uneven(totals)
    )  # fmt: skip
    return [reason for reason in checks if reason]


def final_problems(pairs: Sequence[Pair], usable: Sequence[Pair], policy: Policy) -> list[Reason]:
    """Problems that more pairs may mend; a verdict must not be given on them."""
    checks = (_lag(usable, policy), _too_few(pairs, usable, policy))
    return [reason for reason in checks if reason]


def silent_candidate(pairs: Sequence[Pair], operations: Sequence[Operation]) -> list[Reason]:
    """Operations of which the candidate answers none where the base answers: however rare they are, that is a BLOCK."""
    reasons = []
    for operation in operations:
        answered = {
            arm: sum(_answered(couple.arm(arm), operation) for pair in pairs for couple in pair.usable) for arm in Arm
        }
        if answered[Arm.BASE] and not answered[Arm.CANDIDATE]:
            text = f"the candidate answered not one {operation.value}; the base answered {answered[Arm.BASE]:,}"
            reasons.append(Reason("errors", text, "see the failures by kind below", f"{operation.value} errors"))
    return reasons


def _failing(totals: Mapping[Arm, Interval], validation: ValidationSpec | None) -> Reason | None:
    """Both fail too much: what the rest of the requests took says nothing about either."""
    limit = validation.max_error_rate if validation else None
    most = MAX_FAILURES if limit is None else min(limit, MAX_FAILURES)
    base, candidate = (total.failures / total.total if total.total else 1.0 for total in map(totals.__getitem__, Arm))
    if min(base, candidate) <= most:
        return None
    examples = [example for arm in Arm for example in totals[arm].examples]
    text = (
        f"{format_percent(base)} of the base's requests failed and {format_percent(candidate)} of the candidate's"
        + (f"; for example {examples[0]}" if examples else "")
    )
    return Reason("failing", text, "mend the store or the target file: `perfgate run` shows each kind of failure")


def _empty(totals: Mapping[Arm, Interval], operations: Sequence[Operation]) -> Reason | None:
    """A candidate alone that answers nothing is no invalid measurement but a regression: see `silent_candidate`."""
    for operation in operations:
        if not _answered(totals[Arm.BASE], operation):
            text = f"not one {operation.value} was answered by the base: nothing can be said about it"
            return Reason("empty_operation", text, "set its weight to 0, or mend the target file", operation.value)
    return None


def _answered(interval: Interval, operation: Operation) -> int:
    part = interval.operations.get(operation)
    return part.completed if part else 0


def _cut(pairs: Sequence[Pair]) -> Reason | None:
    """Load was given up. Of the candidate alone, in more than one pair, it is no accident: its failures count as such."""
    cut = {arm: [pair.number + 1 for pair in pairs if _abandoned(pair, arm)] for arm in Arm}
    if not cut[Arm.BASE] and len(cut[Arm.CANDIDATE]) != 1:
        return None
    arm = Arm.BASE if cut[Arm.BASE] else Arm.CANDIDATE
    text = f"the {arm.name.lower()} fell so far behind in pair {cut[arm][0]} that the load was ended"
    return Reason("saturated", text, "lower [arrival] rate: the store cannot hold it all the time")


def _abandoned(pair: Pair, arm: Arm) -> int:
    return sum(
        part.outcomes[Outcome.ABANDONED] for couple in pair.usable for part in couple.arm(arm).operations.values()
    )


def _offered(totals: Mapping[Arm, Interval], policy: Policy) -> Reason | None:
    """Asked of the base: where the generator sends that one enough and the candidate too little, it is the candidate
    that holds it up, and what was not sent counts as failed."""
    return offered_reason(totals[Arm.BASE], policy)


def _uneven(totals: Mapping[Arm, Interval]) -> Reason | None:
    """Both arms are sent the same windows of the plan; if not, something was lost on the way."""
    base, candidate = (totals[arm].due for arm in Arm)
    if abs(base - candidate) <= MAX_UNEVEN * max(base, candidate):
        return None
    text = (
        f"{base:,} requests were due for the base and {candidate:,} for the candidate, where both should get the same"
    )
    return Reason("uneven", text, "run it again; if it comes back, look at the agent's log")


def _lag(pairs: Sequence[Pair], policy: Policy) -> Reason | None:
    lag = Histogram.merge([pair.total(arm).lag for pair in pairs for arm in Arm])
    return lag_reason(lag, WorkerLoad.merge(load for pair in pairs for load in pair.workers), policy)


def _too_few(pairs: Sequence[Pair], usable: Sequence[Pair], policy: Policy) -> Reason | None:
    if len(usable) >= policy.min_pairs:
        return None
    text = f"only {len(usable)} of {len(pairs)} pairs can be used, {policy.min_pairs} are needed"
    if why := spoilt_reason(pairs, policy):
        dropped = sum(len(pair.couples) - len(pair.usable) for pair in pairs)
        return dataclasses.replace(why, text=f"{text}; {dropped} couples of slices were dropped: {why.text}")
    return Reason("too_few_pairs", text, "give more time (--time-limit) or a shorter measured_seconds")
