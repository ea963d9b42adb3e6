"""What makes a measurement say nothing, whatever its numbers are."""

from __future__ import annotations

from collections.abc import Sequence

from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason
from perfgate.histogram import Histogram
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.units import format_duration

MIN_COUPLES = 0.5
MAX_FAILURES = 0.05
"""A build of whose requests more fail in both arms is not fit to be compared: latencies of the rest are a selection."""


def usable_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs of which at least half the couples count."""
    return [pair for pair in pairs if pair.couples and len(pair.usable) >= MIN_COUPLES * len(pair.couples)]


def fatal_problems(pairs: Sequence[Pair], policy: Policy, operations: Sequence[Operation]) -> list[Reason]:
    """Problems that more pairs would not mend. `pairs`: the usable ones."""
    checks = (_failing(pairs), _empty(pairs, operations), _cut(pairs), _offered(pairs, policy))
    return [reason for reason in checks if reason]


def final_problems(pairs: Sequence[Pair], usable: Sequence[Pair], policy: Policy) -> list[Reason]:
    """Problems that more pairs might have mended, but there are none to come."""
    checks = (_lag(usable, policy), _too_few(pairs, usable, policy))
    return [reason for reason in checks if reason]


def _failing(pairs: Sequence[Pair]) -> Reason | None:
    shares = {arm: _failure_share(pairs, arm) for arm in Arm}
    base, candidate = shares[Arm.BASE], shares[Arm.CANDIDATE]
    if base is None or candidate is None or min(base, candidate) < MAX_FAILURES:
        return None
    examples = [example for pair in pairs for arm in Arm for example in pair.total(arm).examples]
    text = f"{base:.1%} of the base's requests failed and {candidate:.1%} of the candidate's" + (
        f"; for example {examples[0]}" if examples else ""
    )
    return Reason("failing", text, "mend the store or the target file: `perfgate run` shows each kind of failure")


def _failure_share(pairs: Sequence[Pair], arm: Arm) -> float | None:
    totals = [pair.total(arm) for pair in pairs]
    requests = sum(total.total for total in totals)
    return sum(total.failures for total in totals) / requests if requests else None


def _empty(pairs: Sequence[Pair], operations: Sequence[Operation]) -> Reason | None:
    for operation in operations:
        for arm in Arm:
            parts = [pair.total(arm).operations.get(operation) for pair in pairs]
            if pairs and not sum(part.completed for part in parts if part) and _base_is_empty(pairs, operation):
                text = f"not one {operation.value} was answered by the {arm.name.lower()}: nothing can be said about it"
                return Reason("empty_operation", text, "set its weight to 0, or mend the target file", operation.value)
    return None


def _base_is_empty(pairs: Sequence[Pair], operation: Operation) -> bool:
    """A candidate alone that answers nothing is a regression, not an invalid measurement."""
    parts = [pair.total(Arm.BASE).operations.get(operation) for pair in pairs]
    return not sum(part.completed for part in parts if part)


def _cut(pairs: Sequence[Pair]) -> Reason | None:
    for pair in pairs:
        for arm in Arm:
            parts = pair.total(arm).operations.values()
            if abandoned := sum(part.outcomes[Outcome.ABANDONED] for part in parts):
                text = f"the {arm.name.lower()} fell behind in pair {pair.number + 1}: {abandoned} requests given up"
                return Reason("saturated", text, "lower [arrival] rate: the store cannot hold it all the time")
    return None


def _offered(pairs: Sequence[Pair], policy: Policy) -> Reason | None:
    totals = [pair.total(arm) for pair in pairs for arm in Arm]
    due, sent = sum(total.due for total in totals), sum(total.sent for total in totals)
    refused = sum(part.outcomes[Outcome.REFUSED] for total in totals for part in total.operations.values())
    if not due or (sent + refused) / due >= policy.min_offered:
        return None
    text = f"only {sent / due:.1%} of the {due:,} requests that were due were sent"
    return Reason("offered_rate", text, "raise [connection] connections or timeout_seconds, or lower [arrival] rate")


def _lag(pairs: Sequence[Pair], policy: Policy) -> Reason | None:
    lag = Histogram.merge([pair.total(arm).lag for pair in pairs for arm in Arm])
    if not lag.total or lag.quantile(0.99) <= policy.max_lag_p99_ns:
        return None
    text = (
        f"the generator itself was late: 1 % of the requests went out more than {format_duration(lag.quantile(0.99))} "
        f"after their time (limit {format_duration(policy.max_lag_p99_ns)})"
    )
    return Reason("generator_lag", text, "keep other work off this host, add --workers, or lower [arrival] rate")


def _too_few(pairs: Sequence[Pair], usable: Sequence[Pair], policy: Policy) -> Reason | None:
    if len(usable) >= policy.min_pairs:
        return None
    dropped = sum(len(pair.couples) - len(pair.usable) for pair in pairs)
    text = f"only {len(usable)} of {len(pairs)} pairs can be used, {policy.min_pairs} are needed"
    if dropped:
        text += f" ({dropped} couples of slices were dropped because the generator was late)"
        return Reason("generator_lag", text, "keep other work off this host while a gate runs, or add cores")
    return Reason("too_few_pairs", text, "give more time (--time-limit) or a shorter measured_seconds")
