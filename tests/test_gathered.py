"""Claims about intervals that are merged some at a time."""

from __future__ import annotations

import functools
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from interval_values import INTERVALS, interval
from perfgate_controller.gathered import HISTOGRAMS_WAITING, WAITING, GatheredHistograms, GatheredIntervals

from perfgate.histogram import Histogram
from perfgate.interval import Interval


@settings(max_examples=25, deadline=None)
@given(
    parts=st.lists(INTERVALS, min_size=2, max_size=6),
    count=st.integers(2, 3 * WAITING),
    asked=st.sets(st.integers(0, 3 * WAITING)),
)
def test_what_is_gathered_is_what_merging_each_at_once_gives(
    parts: list[Interval], count: int, asked: set[int]
) -> None:
    taken = [parts[number % len(parts)] for number in range(count)]
    gathered = GatheredIntervals()
    for number, part in enumerate(taken):
        gathered.take(part)
        if number in asked:
            assert gathered.merged().due == sum(one.due for one in taken[: number + 1])
    assert gathered.merged() == functools.reduce(lambda known, new: Interval.merge([known, new]), taken)


@given(values=st.lists(st.lists(st.integers(0, 10**7), max_size=5), max_size=3 * HISTOGRAMS_WAITING))
def test_histograms_side_by_side_are_summed_each_for_itself(values: list[list[int]]) -> None:
    gathered = GatheredHistograms(2)
    for one, other in pairwise(values):
        gathered.take((Histogram.of(one), Histogram.of(other)))
    first = [value for part in values[:-1] for value in part]
    second = [value for part in values[1:] for value in part]
    assert gathered.merged() == (Histogram.of(first), Histogram.of(second))


def test_not_more_than_a_few_wait_however_many_come() -> None:
    gathered, histograms = GatheredIntervals(), GatheredHistograms(1)
    for _ in range(5 * WAITING):
        gathered.take(interval())
        histograms.take((Histogram.of([1_000]),))
        assert gathered.waiting <= WAITING
        assert histograms.waiting <= HISTOGRAMS_WAITING
    assert histograms.merged()[0].total == 5 * WAITING
