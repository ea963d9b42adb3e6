"""Whether the store holds the offered rate at all: seen in the first pair's warm-up, not after minutes of queueing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perfgate.gate.comparison import Comparison
from perfgate.gate.generator import BUSY_REMEDY, cut_reason, spoilt_reason
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason, Verdict, Word
from perfgate.interval import Interval
from perfgate.outcome import Outcome
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.units import NS_PER_S, format_duration

BACKLOG_SHARE = 0.03
SLICE_SHARE = 0.01
SPREAD = 4.0
BOUNDED = 1.5
ADVISED = 0.7


@dataclass(frozen=True, slots=True)
class Held:
    """offered, held: requests a second in the warm-up; late_ns: how long after its end the last reply came; saturated:
    the store fell behind and kept falling."""

    offered: float
    held: float
    late_ns: int
    saturated: bool


def capacity_check(pair: Pair, policy: Policy) -> Comparison | None:
    """None when both arms hold the rate. Otherwise the final comparison: BLOCK where only the candidate does not,
    INVALID with the highest rate held and the rate to ask for where the base does not either, or where the generator
    does not: then replies come late whatever the store does."""
    if overload := _generator_overload(pair, policy):
        verdict = Verdict(Word.INVALID, (overload,), policy.competitive)
        return Comparison(policy, pairs=1, look=0, final=True, effects=(), verdict=verdict)
    held = {arm: held_rate(pair, arm, policy) for arm in Arm}
    if not any(rate.saturated for rate in held.values()):
        return None
    if fault := cut_reason(pair.warmup.values(), pair.workers, policy):
        verdict = Verdict(Word.INVALID, (_own_limit(held, fault),), policy.competitive)
        return Comparison(policy, pairs=1, look=0, final=True, effects=(), verdict=verdict)
    only_candidate = held[Arm.CANDIDATE].saturated and not held[Arm.BASE].saturated
    verdict = _candidate_alone(held, policy) if only_candidate else _saturated(held, policy)
    return Comparison(policy, pairs=1, look=0, final=True, effects=(), verdict=verdict)


def held_rate(pair: Pair, arm: Arm, policy: Policy) -> Held:
    """What the arm's warm-up held. Saturated: the load of the warm-up was cut, or its replies fell behind, and those of
    the measured slices too: a burst of noise on the host that covers the warm-up alone must not decide."""
    warmup = pair.warmup[arm]
    length = max(1, warmup.end_ns - warmup.start_ns)
    late = max(0, warmup.last_done_ns - warmup.end_ns)
    rates = (count / NS_PER_S for count in (length, length + late))
    offered, held = (count / seconds for count, seconds in zip((warmup.due, warmup.completed), rates, strict=True))
    slices = [couple.arm(arm) for couple in pair.couples]
    confirmed = _confirmed(warmup, slices, policy)
    return Held(offered, held, late, saturated=_cut(warmup) or (confirmed and fell_behind(warmup)))


def _confirmed(warmup: Interval, slices: Sequence[Interval], policy: Policy) -> bool:
    """Whether the measured slices say what the warm-up says. In alternation most of them fell behind by themselves, each
    with a queue that began anew. In a duet load never pauses: one queue grows through warm-up and slices, until it is cut
    or the load ends."""
    if not any(part.completed for part in slices):
        return True
    if policy.mode == "duet":
        whole = Interval.merge(dataclasses.replace(part, segment=0) for part in (warmup, *slices))
        return any(map(_cut, slices)) or fell_behind(whole)
    return 2 * sum(fell_behind(part, SLICE_SHARE) for part in slices) > len(slices)


def _generator_overload(pair: Pair, policy: Policy) -> Reason | None:
    """Half of a warm-up's requests went out later than a backlog's bound, and half of those of most slices later than
    the limit: the generator fell behind and kept falling. A pause is over sooner."""
    slices = [couple.arm(arm) for couple in pair.couples for arm in Arm]
    late = [part.lag.total > 0 and part.lag.quantile(0.5) > policy.max_lag_p99_ns for part in slices]
    if 2 * sum(late) <= len(late):
        return None
    for warmup in pair.warmup.values():
        length = max(1, warmup.end_ns - warmup.start_ns)
        if warmup.lag.total and warmup.lag.quantile(0.5) > BACKLOG_SHARE * length:
            text = (
                f"the load generator cannot send the offered {warmup.due * NS_PER_S / length:,.0f} requests/s: half of "
                f"them went out more than {format_duration(warmup.lag.quantile(0.5))} after their time"
            )
            why = spoilt_reason([pair], policy)
            more = f" ({why.text})" if why and why.code != "generator_lag" else ""
            return Reason("generator_busy", text + more, BUSY_REMEDY)
    return None


def _own_limit(held: Mapping[Arm, Held], fault: Reason) -> Reason:
    offered = max(rate.offered for rate in held.values())
    text = f"the load generator cannot send the offered {offered:,.0f} requests/s: {fault.text}"
    return dataclasses.replace(fault, text=text)


def fell_behind(interval: Interval, share: float = BACKLOG_SHARE) -> bool:
    """A store that falls behind answers its last requests late, and each request later than the one before: the
    latencies of an operation are spread evenly from next to nothing to the length of the queue. One that is slow but
    keeps up has no such spread, or a tail.

    So: the last reply came more than `share` of the interval after its end, and for an operation the median response
    time is above that too, the 90th percentile more than 4 times the 10th, the 99th less than 1.5 times the 90th.
    """
    bound = share * (interval.end_ns - interval.start_ns)
    if interval.last_done_ns - interval.end_ns <= bound:
        return False
    quantiles = (part.response.quantiles((0.1, 0.5, 0.9, 0.99)) for part in interval.operations.values())
    return any(p50 > bound and p90 > SPREAD * p10 and p99 < BOUNDED * p90 for p10, p50, p90, p99 in quantiles)


def _cut(interval: Interval) -> bool:
    return any(part.outcomes[Outcome.ABANDONED] for part in interval.operations.values())


def _candidate_alone(held: Mapping[Arm, Held], policy: Policy) -> Verdict:
    base, candidate = held[Arm.BASE], held[Arm.CANDIDATE]
    behind = f"ended {format_duration(candidate.late_ns)} late" if candidate.late_ns else "fell behind beyond the bound"
    text = (
        f"the candidate cannot hold the offered {candidate.offered:,.0f} requests/s: it answered "
        f"{candidate.held:,.0f}/s and {behind}; the base held the rate"
    )
    remedy = f"find what made it slower ({base.offered:,.0f}/s held by the base), or compare at a lower [arrival] rate"
    return Verdict(Word.BLOCK, (Reason("throughput", text, remedy, "throughput"),), policy.competitive)


def _saturated(held: Mapping[Arm, Held], policy: Policy) -> Verdict:
    slowest = min(held.values(), key=lambda rate: rate.held)
    text = (
        f"the store cannot hold the offered {slowest.offered:,.0f} requests/s: the highest rate held was "
        f"{slowest.held:,.0f}/s, so latencies would only show the length of its queue"
    )
    remedy = f"set [arrival] rate to {ADVISED * slowest.held:,.0f} (70 % of what it held) or give the store more cores"
    if policy.mode == "duet":
        remedy += '; both builds were loaded at once, so mode = "alternation" may hold it, too'
    return Verdict(Word.INVALID, (Reason("saturated", text, remedy, "throughput"),), policy.competitive)
