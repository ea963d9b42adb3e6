"""The seconds of a run, in the order in which they are played: what each sends, where it is recorded, and for whom."""

# Lists are made before tuples, since a tuple made from a generator grows the interpreter's store of them (see plain_state).

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perfgate.segment import Arm, Segment, stretches, together
from perfgate.spaces import Grouping
from perfgate.units import NS_PER_S
from perfgate_agent.recorder import Bucket


@dataclass(frozen=True, slots=True)
class Second:
    """At most a second of a segment; of two at once in a duet. start_ns, end_ns: the window of the plan, of which nothing
    from before since_ns was sent to these stores. shift_ns leads from the plan's time to the monotonic clock. buckets: a
    new one a segment, the base's first."""

    start_ns: int
    end_ns: int
    since_ns: int
    shift_ns: int
    buckets: tuple[Bucket, ...]

    @property
    def segments(self) -> tuple[Segment, ...]:
        return tuple([bucket.segment for bucket in self.buckets])

    @property
    def loud(self) -> bool:
        """Whether the noisy neighbour is sent, in a run that has one: to the second arm alone."""
        return self.buckets[0].segment.arm is Arm.CANDIDATE

    def close(self) -> None:
        """No more requests of it are made."""
        for bucket in self.buckets:
            bucket.closed = True


def seconds_of(segments: Sequence[Segment], start_ns: int, grouping: Grouping | None = None) -> Iterator[Second]:
    """Of a run that starts at `start_ns` of the monotonic clock. grouping: of memory spaces that are recorded apart."""
    stretch = stretches(segments)
    for group in together(segments):
        window, shift = group[0], group[0].offset_ns - group[0].plan_start_ns
        since = max(stretch[segment.arm, segment.number] for segment in group)
        for start in range(window.plan_start_ns, window.plan_end_ns, NS_PER_S):
            end = min(start + NS_PER_S, window.plan_end_ns)
            buckets = tuple([Bucket(segment, start + shift, end + shift, start_ns, grouping) for segment in group])
            yield Second(start, end, since, start_ns + shift, buckets)
