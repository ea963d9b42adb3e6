"""What a bucket makes of the exchanges that end in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perfgate_agent.exchange import Exchange
from perfgate_agent.recorder import Bucket

from perfgate.interval import FAILED_KEYS_KEPT, Interval, OperationInterval
from perfgate.operation import OPERATIONS, Operation
from perfgate.outcome import Outcome
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.spaces import Grouping
from perfgate.targets.adapter import GOOD, Judgement

S = 1_000_000_000
ORIGIN = 50 * S
SEGMENT = Segment(3, Arm.BASE, SegmentKind.MEASURED, 0, 0, S, 10 * S)


def bucket() -> Bucket:
    return Bucket(SEGMENT, 10 * S, 11 * S, ORIGIN)


def ended(
    to: Bucket, code: int = 0, at: int = 0, lag: int = 0, wait: int = 0, service: int = 100, **fields: Any
) -> Exchange:
    """An exchange of the bucket, all times relative to ORIGIN + 10 s."""
    exchange = Exchange(ORIGIN + 10 * S + at, code, fields.get("index", 0), 0, fields.get("checked", False), to, b"")
    exchange.wait_ns = wait
    exchange.sent_ns = exchange.at_ns + lag + wait
    exchange.done_ns = exchange.sent_ns + service
    to.due += 1
    return exchange


def closed(one: Bucket) -> Interval:
    one.closed = True
    assert one.complete
    *steps, interval = one.distil("w")
    assert interval is not None
    assert not any(steps)
    return interval


def test_response_counts_from_when_it_was_due_and_service_from_when_it_was_sent() -> None:
    one = bucket()
    one.answered(ended(one, lag=2_000, wait=30_000, service=400_000), GOOD)
    interval = closed(one)
    part = interval.operations[OPERATIONS[0]]
    assert (part.response.max_ns, part.service.max_ns) == (432_000, 400_000)
    assert (interval.lag.max_ns, interval.wait.max_ns) == (2_000, 30_000)


def test_the_last_reply_is_told_on_the_clock_of_the_run() -> None:
    one = bucket()
    one.answered(ended(one, at=7, service=100), GOOD)
    one.answered(ended(one, at=3, service=50), GOOD)
    interval = closed(one)
    assert (interval.segment, interval.start_ns, interval.end_ns) == (3, 10 * S, 11 * S)
    assert interval.last_done_ns == 10 * S + 107


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.OK])
def test_a_failure_is_counted_and_has_no_latency(outcome: Outcome) -> None:
    one = bucket()
    one.failed(ended(one, index=77), outcome, "why")
    interval = closed(one)
    part = interval.operations[OPERATIONS[0]]
    assert (part.outcomes[outcome], part.total, part.failed) == (1, 1, (77,))
    assert part.response.total == part.service.total == 0
    assert interval.examples == (f"{outcome.label}: why",)


def test_a_wrong_answer_is_a_failure_though_a_reply_came() -> None:
    one = bucket()
    one.answered(ended(one), Judgement(Outcome.WRONG_ANSWER, found=1, expected=1, example="no"))
    part = closed(one).operations[OPERATIONS[0]]
    assert (part.completed, part.outcomes[Outcome.WRONG_ANSWER], part.checked, part.found) == (0, 1, 0, 0)


def test_what_was_never_sent_has_no_lag() -> None:
    one = bucket()
    exchange = ended(one)
    exchange.sent_ns = exchange.done_ns = 0
    one.failed(exchange, Outcome.ABANDONED, "")
    interval = closed(one)
    assert (interval.due, interval.sent, interval.lag.total, interval.last_done_ns) == (1, 0, 0, 0)


def test_found_counts_only_where_the_reply_was_checked() -> None:
    one = bucket()
    one.answered(ended(one, checked=True), Judgement(Outcome.OK, found=8, expected=10))
    one.answered(ended(one, checked=False), GOOD)
    part = closed(one).operations[OPERATIONS[0]]
    assert (part.checked, part.found, part.expected) == (1, 8, 10)


def test_each_checked_reply_counts_in_its_tenth_of_the_answers_found() -> None:
    one = bucket()
    for found, expected in ((10, 10), (8, 10), (8, 10), (0, 10), (1, 1), (2, 3)):
        one.answered(ended(one, checked=True), Judgement(Outcome.OK, found=found, expected=expected))
    one.answered(ended(one, checked=False), GOOD)
    part = closed(one).operations[OPERATIONS[0]]
    assert part.recalls == (1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2)
    assert OperationInterval.merge([part, part, OperationInterval.empty()]).recalls == tuple(
        2 * n for n in part.recalls
    )


def test_one_example_a_kind_is_kept_and_failures_are_counted_beyond_the_keys_kept() -> None:
    one = bucket()
    for index in range(FAILED_KEYS_KEPT + 10):
        one.failed(ended(one, index=index), Outcome.TIMEOUT, f"number {index}")
    interval = closed(one)
    part = interval.operations[OPERATIONS[0]]
    assert interval.examples == ("timeout: number 0",)
    assert (len(part.failed), part.failures) == (FAILED_KEYS_KEPT, FAILED_KEYS_KEPT + 10)


def test_a_bucket_is_complete_only_when_it_is_closed_and_all_have_ended() -> None:
    one = bucket()
    first, second = ended(one), ended(one)
    one.answered(first, GOOD)
    one.closed = True
    assert not one.complete
    one.answered(second, GOOD)
    assert one.complete


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, S), st.integers(0, S), st.integers(0, S), st.sampled_from(list(Outcome))
        ),
        max_size=40,
    )
)
def test_everything_that_ends_is_in_the_interval_once(rows: list[tuple[int, int, int, int, Outcome]]) -> None:
    one = bucket()
    for code, lag, wait, service, outcome in rows:
        one.answered(ended(one, code, lag=lag, wait=wait, service=service), Judgement(outcome))
    interval = closed(one)
    assert interval.due == interval.sent == interval.total == interval.lag.total == len(rows)
    for name, part in interval.operations.items():
        mine = [row for row in rows if OPERATIONS[row[0]] is name]
        good = [row for row in mine if row[4] is Outcome.OK]
        assert part.outcomes == tuple(sum(row[4] is outcome for row in mine) for outcome in Outcome)
        assert part.response.total == part.service.total == len(good)
        assert part.response.max_ns == max((lag + wait + service for _, lag, wait, service, _ in good), default=0)
    assert interval.wait.total == sum(wait > 0 for _, _, wait, _, _ in rows)
    assert Operation.PATTERN_COMPLETION not in interval.operations


def test_spaces_are_recorded_apart_and_add_up_to_the_whole() -> None:
    """Space 0 is one group, 1 and 2 another; replies come one by one and many at once, some fail."""
    grouping = Grouping(("0", "others"), np.array([0, 1, 1]))
    one = Bucket(SEGMENT, 10 * S, 11 * S, ORIGIN, grouping)
    for key in range(6):
        exchange = ended(one, code=key % 2, service=100 * (key + 1), index=key, checked=True)
        exchange.key = key
        if key == 4:
            one.failed(exchange, Outcome.TIMEOUT, "late")
        else:
            one.answered(exchange, Judgement(Outcome.OK, found=1, expected=2))
    keys = np.arange(9)
    times = np.full(9, ORIGIN + 10 * S)
    one.due += 9
    one.answered_many(1, keys, times, times, np.zeros(9, dtype=np.int64), times + 5_000 + keys, keys)
    interval = closed(one)
    assert set(interval.spaces) == {"0", "others"}
    first, others = interval.spaces["0"], interval.spaces["others"]
    assert sum(part.total for part in first.values()) == 2 + 3
    assert sum(part.total for part in others.values()) == 4 + 6
    assert others[OPERATIONS[0]].failed == (4,)
    assert interval.operations == {
        name: OperationInterval.merge(group[name] for group in (first, others)) for name in OPERATIONS[:2]
    }
    assert interval.total == 15
    assert Interval.merge([interval]) == interval
