"""Whether the store holds the offered rate at all: seen in the first pair's warm-up, not after minutes of queueing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perfgate.gate.comparison import Comparison
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason, Verdict, Word
from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.outcome import Outcome
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.units import NS_PER_S, format_duration

BACKLOG_SHARE = 0.03
SPREAD = 4.0
ADVISED = 0.7


@dataclass(frozen=True, slots=True)
class Held:
    """offered, held: requests a second in the warm-up; late_ns: how long after its end the last reply came."""

    offered: float
    held: float
    late_ns: int
    saturated: bool


def held_rate(warmup: Interval) -> Held:
    """A store that falls behind answers its last requests late, and each request later than the one before, so that
    latencies are spread from nothing to the length of the queue; a slow one that keeps up shows neither.

    Saturated: load was cut, or the replies ended more than 3 % of the warm-up late while the median response time was
    above 3 % of it and the 90th percentile more than four times the 10th.
    """
    length = max(1, warmup.end_ns - warmup.start_ns)
    offered = warmup.due / (length / NS_PER_S)
    late = max(0, warmup.last_done_ns - warmup.end_ns)
    cut = any(part.outcomes[Outcome.ABANDONED] for part in warmup.operations.values())
    # Where load was cut the store went on only until it had answered what it had been sent.
    busy = max(1, warmup.last_done_ns - warmup.start_ns) if cut else length + late
    held = warmup.completed / (busy / NS_PER_S)
    response = Histogram.merge([part.response for part in warmup.operations.values()])
    if not response.total:
        return Held(offered, held, late, cut)
    p10, p50, p90 = response.quantiles([0.1, 0.5, 0.9])
    bound = BACKLOG_SHARE * length
    return Held(offered, held, late, cut or bool(late > bound and p50 > bound and p90 > SPREAD * p10))


def capacity_check(pair: Pair, policy: Policy) -> Comparison | None:
    """None when both arms hold the rate. Otherwise the final comparison: BLOCK where only the candidate does not,
    INVALID with the highest rate held and the rate to ask for where the base does not either."""
    held = {arm: held_rate(warmup) for arm, warmup in pair.warmup.items()}
    if not any(rate.saturated for rate in held.values()):
        return None
    only_candidate = held[Arm.CANDIDATE].saturated and not held[Arm.BASE].saturated
    verdict = _candidate_alone(held, policy) if only_candidate else _saturated(held, policy)
    return Comparison(policy, pairs=1, look=0, final=True, effects=(), verdict=verdict)


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
    return Verdict(Word.INVALID, (Reason("saturated", text, remedy, "throughput"),), policy.competitive)
