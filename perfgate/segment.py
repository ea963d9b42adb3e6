"""A stretch of a run: which arm is loaded, with which window of the plan, and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Arm(IntEnum):
    """One of the two builds of a pair. A run without a gate has only BASE."""

    BASE = 0
    CANDIDATE = 1

    @property
    def other(self) -> Arm:
        return Arm(1 - self)


class SegmentKind(StrEnum):
    """Whether what is recorded counts."""

    WARMUP = "warmup"
    MEASURED = "measured"


@dataclass(frozen=True, slots=True)
class Segment:
    """Requests of the plan window [plan_start_ns, plan_end_ns) go to `arm`; the window's start is sent at
    `offset_ns` on the run's clock (0 is the common start). Both arms of a couple get the same window, so the same
    arrivals and queries (common random numbers): one after the other, or in a duet at the same time. `couple` is -1
    outside of couples."""

    number: int
    arm: Arm
    kind: SegmentKind
    couple: int
    plan_start_ns: int
    plan_end_ns: int
    offset_ns: int

    @property
    def duration_ns(self) -> int:
        return self.plan_end_ns - self.plan_start_ns

    @property
    def end_ns(self) -> int:
        """On the run's clock."""
        return self.offset_ns + self.duration_ns


def together(segments: Iterable[Segment]) -> list[tuple[Segment, ...]]:
    """The segments in their order, those that are played at once as one: in a duet both arms get the same window at the
    same time. Such twins must follow each other in `segments`; the base's comes first here."""
    groups: list[tuple[Segment, ...]] = []
    for segment in segments:
        before = groups[-1] if groups else ()
        if len(before) == 1 and _are_twins(before[0], segment):
            groups[-1] = tuple(sorted((*before, segment), key=lambda one: one.arm))
        else:
            groups.append((segment,))
    return groups


def _are_twins(one: Segment, other: Segment) -> bool:
    same = (one.offset_ns, one.plan_start_ns, one.plan_end_ns) == (
        other.offset_ns, other.plan_start_ns, other.plan_end_ns,
    )  # fmt: skip
    return same and one.arm is not other.arm


def stretches(segments: Iterable[Segment]) -> dict[tuple[Arm, int], int]:
    """For each segment, by arm and number: since which plan time its arm has got every window without a gap. A store has
    been sent nothing from before."""
    since: dict[Arm, tuple[int, int]] = {}  # where the stretch began, and where it has got to
    result = {}
    for segment in segments:
        began, reached = since.get(segment.arm, (segment.plan_start_ns, segment.plan_start_ns))
        if segment.plan_start_ns != reached:
            began = segment.plan_start_ns
        since[segment.arm] = (began, segment.plan_end_ns)
        result[segment.arm, segment.number] = began
    return result
