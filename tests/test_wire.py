"""Claims about what crosses the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from interval_values import INTERVALS
from usage_values import USAGES

from perfgate.interval import Interval, OperationInterval
from perfgate.load_report import LoadReport
from perfgate.outcome import OUTCOMES
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.usage import Usage
from perfgate.wire.convert import (
    histogram_from_wire,
    interval_from_wire,
    interval_to_wire,
    report_from_wire,
    report_to_wire,
    segment_from_wire,
    segment_to_wire,
    usage_from_wire,
    usage_to_wire,
)
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.version import PROTOCOL, mismatch


@given(INTERVALS)
def test_an_interval_comes_out_as_it_went_in(interval: Interval) -> None:
    data = interval_to_wire(interval).SerializeToString()
    assert interval_from_wire(pb.Interval.FromString(data)) == interval


def test_a_segment_and_a_report_come_out_as_they_went_in() -> None:
    segment = Segment(3, Arm.CANDIDATE, SegmentKind.WARMUP, -1, 5, 10, 20)
    assert segment_from_wire(segment_to_wire(segment)) == segment
    report = LoadReport("w", 10, 9, 8, 1, 1, saturated=True)
    assert report_from_wire(report_to_wire(report)) == report


@given(USAGES)
def test_a_usage_comes_out_as_it_went_in_and_what_was_unknown_stays_unknown(usage: Usage) -> None:
    data = usage_to_wire(usage).SerializeToString()
    assert usage_from_wire(pb.Usage.FromString(data)) == usage


def test_a_report_of_an_older_agent_has_no_usage() -> None:
    report = report_from_wire(pb.WorkerReport(worker="w", due=1, completed=1, cpu_ns=5, wall_ns=7))
    assert not report.usage.known
    assert report.reconciles


def test_a_histogram_of_an_unknown_geometry_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="install the same perfgate"):
        histogram_from_wire(pb.Histogram(geometry=7))
    with pytest.raises(ValueError, match="2 buckets and 1 counts"):
        histogram_from_wire(pb.Histogram(bucket_steps=[1, 2], counts=[1], geometry=1))


def test_another_protocol_is_named_with_both_versions() -> None:
    assert mismatch(PROTOCOL, "0.1.0") == ""
    assert "protocol 9 there (perfgate 9.9)" in mismatch(9, "9.9")
    assert "this side is older" in mismatch(PROTOCOL + 1, "9.9")


def test_counts_that_do_not_add_up_are_seen() -> None:
    assert LoadReport("w", due=10, sent=10, completed=8, failed=1, abandoned=1).reconciles
    assert not LoadReport("w", due=10, sent=10, completed=8, failed=1, abandoned=0).reconciles


def test_counts_of_an_older_agent_are_completed_and_those_of_a_newer_one_refused() -> None:
    """Kinds of outcome are only ever appended; left out, a failure would vanish from the totals."""
    known = len(OUTCOMES)
    message = pb.Interval(operations=[pb.OperationInterval(operation=0, outcomes=[5, 1])])
    (part,) = interval_from_wire(message).operations.values()
    assert part.outcomes == (5, 1) + (0,) * (known - 2)
    assert OperationInterval.merge([part, part]).total == 12
    message.operations[0].outcomes[:] = [1] * (known + 1)
    with pytest.raises(ValueError, match="upgrade perfgate"):
        interval_from_wire(message)
