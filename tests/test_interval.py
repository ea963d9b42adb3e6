from __future__ import annotations

import random

import pytest
from histogram_values import of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from interval_values import INTERVALS, OPERATION_INTERVALS, failing, interval

from perfgate.interval import FAILED_KEYS_KEPT, Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES, Outcome


@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate))  # to shrink three intervals takes minutes
@given(INTERVALS, INTERVALS, INTERVALS)
def test_merging_intervals_is_associative(a: Interval, b: Interval, c: Interval) -> None:
    at_once = Interval.merge([a, b, c])
    assert Interval.merge([Interval.merge([a, b]), c]) == at_once
    assert Interval.merge([a, Interval.merge([b, c])]) == at_once


@given(OPERATION_INTERVALS, OPERATION_INTERVALS)
def test_merging_operations_is_commutative(a: OperationInterval, b: OperationInterval) -> None:
    assert OperationInterval.merge([a, b]) == OperationInterval.merge([b, a])


@given(OPERATION_INTERVALS)
def test_the_empty_operation_changes_nothing(part: OperationInterval) -> None:
    assert OperationInterval.merge([part, OperationInterval.empty()]) == part
    assert OperationInterval.merge([]) == OperationInterval.empty()


@given(st.lists(INTERVALS, min_size=1, max_size=4))
def test_no_request_is_lost_or_counted_twice_in_a_merge(parts: list[Interval]) -> None:
    merged = Interval.merge(parts)
    for name in ("due", "sent", "completed", "failures", "total"):
        assert getattr(merged, name) == sum(getattr(part, name) for part in parts)
    assert merged.lag.total == sum(part.lag.total for part in parts)
    assert merged.wait.total == sum(part.wait.total for part in parts)


def test_a_merge_spans_its_parts_and_ends_with_the_last_reply() -> None:
    late = interval(start_ns=20, end_ns=30, last_done_ns=31)
    early = interval(start_ns=10, end_ns=20, last_done_ns=45)
    merged = Interval.merge([late, early])
    assert (merged.start_ns, merged.end_ns, merged.last_done_ns) == (10, 30, 45)


def test_an_operation_that_only_one_part_saw_is_kept_as_it_was() -> None:
    store = OperationInterval(of([5_000]), of([4_000]), (1,) + (0,) * (len(OUTCOMES) - 1))
    merged = Interval.merge([interval(operations={Operation.STORE: store}), interval()])
    assert merged.operations == {Operation.STORE: store}


def test_ok_is_completed_and_every_other_outcome_is_a_failure() -> None:
    part = OperationInterval(of([]), of([]), tuple(range(1, len(OUTCOMES) + 1)))
    assert part.completed == part.outcomes[Outcome.OK] == 1
    assert part.failures == sum(range(2, len(OUTCOMES) + 1))
    assert part.total == part.completed + part.failures


def test_failed_keys_are_capped_at_the_smallest_while_failures_are_counted_in_full() -> None:
    parts = [failing(range(start, start + 400)) for start in (0, 400, 800, 1_200)]
    random.Random(1).shuffle(parts)
    merged = OperationInterval.merge(parts)
    assert merged.failed == tuple(range(FAILED_KEYS_KEPT))
    assert merged.failures == 1_600


def test_the_cap_on_failed_keys_does_not_depend_on_how_parts_were_grouped() -> None:
    a, b, c = failing(range(0, 2_000, 3)), failing(range(1, 2_000, 3)), failing(range(2, 2_000, 3))
    left = OperationInterval.merge([OperationInterval.merge([a, b]), c])
    assert left == OperationInterval.merge([a, OperationInterval.merge([b, c])]) == OperationInterval.merge([a, b, c])


def test_examples_are_kept_once_each_and_never_more_than_there_are_outcomes() -> None:
    parts = [interval(examples=(f"HTTP {500 + number // 2}",)) for number in range(40)]
    merged = Interval.merge(parts)
    assert merged.examples == tuple(f"HTTP {500 + number}" for number in range(len(OUTCOMES)))


def test_workers_are_named_once_each_however_often_they_are_merged() -> None:
    one, both = interval(worker="a/0"), Interval.merge([interval(worker="a/0"), interval(worker="a/1")])
    assert both.worker == "a/0+a/1"
    assert Interval.merge([both, one, both, interval()]).worker == "a/0+a/1"


def test_intervals_of_different_segments_are_refused_by_number() -> None:
    with pytest.raises(ValueError, match=r"segments \[1, 2\]"):
        Interval.merge([interval(2), interval(1)])


def test_merging_no_intervals_is_refused() -> None:
    with pytest.raises(ValueError, match="no intervals"):
        Interval.merge([])
