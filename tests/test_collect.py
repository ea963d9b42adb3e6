"""Claims about what is put together of intervals while they stream in."""

from __future__ import annotations

import dataclasses

from builders import arm_interval
from perfgate_controller.collect import Collector

from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.units import NS_PER_MS, NS_PER_S

SLICE = NS_PER_S // 4


def slices(both_at_once: bool, count: int = 8) -> list[Segment]:
    """Quarters of a second, for both arms at once or in turn."""
    result = []
    for number in range(count):
        window = number // 2 * SLICE
        result.append(
            Segment(
                number, Arm(number % 2), SegmentKind.MEASURED, number // 2, window, window + SLICE,
                window if both_at_once else number * SLICE,
            )
        )  # fmt: skip
    return result


def streamed(segments: list[Segment], until: int) -> tuple[Collector, int]:
    """What has come of the first of them, and how many replies each has."""
    collector = Collector(segments, lambda interval: None)
    one = arm_interval()
    for segment in segments[:until]:
        collector.take(
            dataclasses.replace(one, segment=segment.number, start_ns=segment.offset_ns, end_ns=segment.end_ns)
        )
    return collector, one.completed


def test_the_latest_second_is_of_both_arms_in_a_duet_and_in_turn() -> None:
    for both_at_once, until in ((True, 8), (False, 4)):
        collector, replies = streamed(slices(both_at_once), until)
        latest = collector.latest()
        assert latest is not None
        assert latest.completed == until * replies


def test_a_second_that_has_just_begun_is_not_shown_for_a_whole_one() -> None:
    segments = slices(both_at_once=True, count=10)
    collector, replies = streamed(segments, 10)  # the last two lie in the next second
    latest = collector.latest()
    assert latest is not None
    assert (latest.at_ns, latest.completed) == (0, 8 * replies)


def test_nothing_is_the_latest_before_anything_has_come() -> None:
    assert streamed(slices(True), 0)[0].latest() is None


def test_couples_of_a_duet_hold_both_arms_of_one_time() -> None:
    segments = slices(both_at_once=True)
    collector, _ = streamed(segments, 8)
    for segment in segments:
        found = collector.segment(segment.number)
        assert found.start_ns == segment.couple * 250 * NS_PER_MS
