"""When which arm is loaded with what: the segments of a pair. A pure function of policy, seed and pair number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perfgate.gate.policy import Policy
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.units import NS_PER_MS, NS_PER_S

PURPOSE = 0x7061_6972  # keeps this stream of random numbers apart from the plan's and the data's
BLOCK = 4
GAP_NS = 5 * NS_PER_MS
FIRST_WARMUP_NS = 2 * NS_PER_S
"""The warm-up of a pair that is a capacity check, as the first one is: a backlog needs time to show."""


@dataclass(frozen=True, slots=True)
class PairSchedule:
    """arms: in the order in which the processes are launched; the first gets the lower port. jitter_ns: waited before
    the pair so that its start keeps no step with anything periodic on the host. start: which couple of processes serves
    it, None where each pair has its own; fresh, last: whether the pair is the first and the last one of its couple."""

    number: int
    arms: tuple[Arm, Arm]
    segments: tuple[Segment, ...]
    jitter_ns: int
    start: int | None = None
    fresh: bool = True
    last: bool = True

    @property
    def plan_end_ns(self) -> int:
        """Where the next pair's window of the plan begins."""
        return max(segment.plan_end_ns for segment in self.segments)

    @property
    def duration_ns(self) -> int:
        return max(segment.end_ns for segment in self.segments)

    def first_of(self, couple: int) -> Arm:
        """Which arm was loaded first in a couple. In a duet neither is, and BASE stands for that: who goes first is drawn
        for each request (perfgate_agent/twins.py)."""
        return next(segment.arm for segment in self.segments if segment.couple == couple)


def slice_length_ns(policy: Policy, scenario: Scenario, rate: float) -> int:
    """The policy's slice, or longer where that holds too few requests at `rate` (per second) or is shorter than
    `slice_min_p99s` times the p99 that the scenario expects."""
    by_requests = math.ceil(policy.slice_min_requests / rate * NS_PER_S) if rate > 0 else policy.slice_ns
    expected_ms = scenario.validation.expected_p99_latency_ms or 0.0
    by_latency = math.ceil(policy.slice_min_p99s * expected_ms * NS_PER_MS)
    return min(max(policy.slice_ns, by_requests, by_latency), max(policy.slice_ns, policy.measured_ns // 2))


def schedule_pair(
    policy: Policy, slice_ns: int, seed: int, number: int, plan_start_ns: int, base_warms_first: bool = False,
    watched: bool | None = None,
) -> PairSchedule:  # fmt: skip
    """The schedule of pair `number`, whose requests begin at `plan_start_ns` of the plan. base_warms_first: where one process
    serves both arms, so that what the candidate's warm-up leaves behind is not taken for the base's. watched: whether it is
    a capacity check; None: the first pair is."""
    random = _random(seed, number)
    watched = number == 0 if watched is None else watched
    warmup_ns = max(policy.warmup_ns, FIRST_WARMUP_NS) if watched else policy.warmup_ns
    couples = max(1, round(policy.measured_ns / slice_ns))
    if policy.mode == "duet":
        together = _both_at_once(warmup_ns, slice_ns, couples, plan_start_ns)
        return _schedule(policy, seed, number, together, int(random.integers(0, NS_PER_S // 4)))
    firsts = [Arm(value) for value in random.integers(0, 2, size=couples + 1)]
    segments: list[Segment] = []

    def add(arm: Arm, kind: SegmentKind, couple: int, start_ns: int, length_ns: int) -> None:
        offset = segments[-1].end_ns + GAP_NS if segments else 0
        segments.append(Segment(len(segments), arm, kind, couple, start_ns, start_ns + length_ns, offset))

    warmed = Arm.BASE if base_warms_first else firsts[0]
    for arm in (warmed, warmed.other):
        add(arm, SegmentKind.WARMUP, -1, plan_start_ns, warmup_ns)
    for couple in range(couples):
        start_ns = plan_start_ns + warmup_ns + couple * slice_ns
        for arm in (firsts[couple + 1], firsts[couple + 1].other):
            add(arm, SegmentKind.MEASURED, couple, start_ns, slice_ns)
    return _schedule(policy, seed, number, tuple(segments), int(random.integers(0, NS_PER_S // 4)))


def _schedule(policy: Policy, seed: int, number: int, segments: tuple[Segment, ...], jitter_ns: int) -> PairSchedule:
    """Which processes serve the pair. What is permuted is permuted couple by couple of processes."""
    each = policy.pairs_a_start
    start, place = divmod(number, each)
    order = launch_order(seed, start)
    return PairSchedule(
        number, order, segments, jitter_ns, start if policy.starts else None, place == 0, place == each - 1
    )


def _both_at_once(warmup_ns: int, slice_ns: int, couples: int, plan_start_ns: int) -> tuple[Segment, ...]:
    """Warm-up and couples of a duet: each window for both arms at the same time, one window right after the other, since
    load that never changes over needs no pause."""
    lengths = [(SegmentKind.WARMUP, -1, warmup_ns)] if warmup_ns else []
    lengths += [(SegmentKind.MEASURED, couple, slice_ns) for couple in range(couples)]
    segments: list[Segment] = []
    offset_ns = 0
    for kind, couple, length_ns in lengths:
        start_ns, end_ns = plan_start_ns + offset_ns, plan_start_ns + offset_ns + length_ns
        segments += [Segment(len(segments) + arm, arm, kind, couple, start_ns, end_ns, offset_ns) for arm in Arm]
        offset_ns += length_ns
    return tuple(segments)


def launch_order(seed: int, number: int) -> tuple[Arm, Arm]:
    """Of couple `number` of processes. Permuted blocks of four: in each block two launch the base first and two the
    candidate."""
    block, position = divmod(number, BLOCK)
    random = _random(seed, (1 << 31) | block)
    first = Arm(int(random.permutation([0, 0, 1, 1])[position]))
    return first, first.other


def _random(seed: int, number: int) -> np.random.Generator:
    key = np.array([seed & (2**64 - 1), (PURPOSE << 32) | number], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def single_run(duration_ns: int, warmup_ns: int) -> tuple[Segment, ...]:
    """A run without a gate: all of the plan on one arm, after a warm-up with requests from beyond the plan's end, so
    that the measured ones are exactly the plan's."""
    measured = Segment(1, Arm.BASE, SegmentKind.MEASURED, -1, 0, duration_ns, warmup_ns)
    if warmup_ns == 0:
        return (measured,)
    return Segment(0, Arm.BASE, SegmentKind.WARMUP, -1, duration_ns, duration_ns + warmup_ns, 0), measured
