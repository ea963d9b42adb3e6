"""The outbox never drops an interval and keeps the order of everything else."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from interval_values import interval
from perfgate_agent.outbox import BATCH, INTERVALS_WAITING, Outbox, merge_by_segment

from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.wire.convert import interval_from_wire
from perfgate.wire.v1 import wire_pb2 as pb


def recorded(segment: int, number: int) -> Interval:
    return interval(segment, start_ns=number, end_ns=number + 1, due=number, sent=number, lag=Histogram.of([number]))


async def drain(outbox: Outbox) -> list[pb.Event]:
    events = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                events.append(await outbox.get())
        except TimeoutError:
            return events


def intervals_of(events: list[pb.Event]) -> list[Interval]:
    return [interval_from_wire(one) for event in events for one in event.intervals.intervals]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 7), max_size=2 * INTERVALS_WAITING), st.sets(st.integers(0, 600), max_size=3))
def test_no_count_is_lost_however_slow_the_stream_is(numbers: list[int], reads: set[int]) -> None:
    async def play() -> list[Interval]:
        outbox, events = Outbox(), []
        for position, segment in enumerate(numbers):
            outbox.put_interval(recorded(segment, position))
            if position in reads:
                events.append(await outbox.get())
        return intervals_of(events + await drain(outbox))

    put = [recorded(segment, position) for position, segment in enumerate(numbers)]
    assert merge_by_segment(asyncio.run(play())) == merge_by_segment(put)


async def test_a_slow_stream_keeps_one_interval_a_segment_waiting() -> None:
    outbox = Outbox()
    for number in range(INTERVALS_WAITING + 1):
        outbox.put_interval(recorded(number % 3, number))
    events = await drain(outbox)
    assert [one.segment for one in intervals_of(events)] == [0, 1, 2]


async def test_waiting_intervals_travel_in_batches_in_their_order() -> None:
    outbox = Outbox()
    put = [recorded(number % 3, number) for number in range(INTERVALS_WAITING)]
    for one in put:
        outbox.put_interval(one)
    events = await drain(outbox)
    assert len(events) == INTERVALS_WAITING // BATCH
    assert intervals_of(events) == put


async def test_events_come_after_the_intervals_that_were_put_before_them() -> None:
    outbox = Outbox()
    outbox.put_interval(recorded(0, 1))
    outbox.put(pb.Event(reply_to=7))
    outbox.put_interval(recorded(0, 2))
    events = await drain(outbox)
    assert [event.reply_to for event in events] == [0, 7, 0]
    assert [len(event.intervals.intervals) for event in events] == [1, 0, 1]


async def test_get_waits_for_what_comes() -> None:
    outbox = Outbox()
    waiting = asyncio.ensure_future(outbox.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.put_interval(recorded(0, 1))
    assert len((await waiting).intervals.intervals) == 1
