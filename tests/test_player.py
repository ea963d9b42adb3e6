"""The open loop: what is due is sent and recorded, whatever the store does, and every run ends by itself."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import load_cases
import pytest
from fault_server import OK, FaultServer, always, silent
from load_cases import MS, PlainAdapter, S, finish, outcomes, part, plan, run, segments

from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.outcome import Outcome
from perfgate.plan import LANES
from perfgate.segment import Arm, Segment, SegmentKind

pytestmark = pytest.mark.usefixtures("driver")


def latencies(intervals: list[Interval]) -> tuple[Histogram, Histogram]:
    """Response and service times of all operations."""
    parts = [operation for one in intervals for operation in one.operations.values()]
    return Histogram.merge([one.response for one in parts]), Histogram.merge([one.service for one in parts])


async def test_a_stall_shows_in_the_response_times_of_all_who_waited_for_it() -> None:
    """One connection, a stall of 200 ms: closed-loop timing would show one slow request, the open loop shows 40."""

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 50:
            await asyncio.sleep(0.2)
        writer.write(OK)

    async with FaultServer(answer) as server:
        report, intervals = await run(part([server], plan(), segments(1_000), connections=1))
    response, service = latencies(intervals)
    assert report.completed == 200
    assert response.quantile(0.95) > 5 * service.quantile(0.95)
    assert response.quantile(0.99) > 100 * MS > 20 * service.quantile(0.5)
    wait = Histogram.merge([one.wait for one in intervals])
    assert wait.total >= 30
    assert wait.max_ns > 100 * MS


async def test_both_arms_of_a_couple_get_the_same_bytes_in_the_same_order() -> None:
    couples = []
    for number, (arm, window) in enumerate([(Arm.BASE, 0), (Arm.CANDIDATE, 0), (Arm.CANDIDATE, 1), (Arm.BASE, 1)]):
        start = window * 200 * MS
        couples.append(Segment(number, arm, SegmentKind.MEASURED, window, start, start + 200 * MS, number * 200 * MS))
    async with FaultServer(always(OK)) as base, FaultServer(always(OK)) as candidate:
        _, intervals = await run(part([base, candidate], plan(pattern="poisson"), couples, connections=1))
    seen = [[request.split(b"\r\n")[0] for request in server.requests] for server in (base, candidate)]
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == len(seen[0]) > 40
    assert [(one.segment, one.due) for one in intervals] == [
        (number, len(plan(pattern="poisson").window(range(LANES), one.plan_start_ns, one.plan_end_ns)))
        for number, one in enumerate(couples)
    ]


async def test_two_workers_send_together_what_one_sends_alone() -> None:
    stretch = segments(400)
    async with FaultServer(always(OK)) as one, FaultServer(always(OK)) as two:
        lanes = tuple(range(LANES))
        await run(part([one], plan(pattern="poisson"), stretch))
        halves = (lanes[::2], lanes[1::2])
        await asyncio.gather(*(run(part([two], plan(pattern="poisson"), stretch, lanes=half)) for half in halves))
    paths = [sorted(request.split(b" ")[1] for request in server.requests) for server in (one, two)]
    assert paths[0] == paths[1]
    assert paths[0]


async def test_a_store_that_answers_nothing_is_cut_off_at_the_bound() -> None:
    async with FaultServer(silent) as server:
        began = time.monotonic()
        report, intervals = await run(
            part([server], plan(rate=50), segments(60_000), timeout_ns=3_600 * S, backlog_min=50)
        )
        assert time.monotonic() - began < 15, "the run ends long before the segment and the timeout do"
    assert report.saturated
    assert not report.lost
    assert report.due == report.abandoned > 50
    assert report.sent == len(server.requests) == 16
    assert outcomes(intervals) == {Outcome.ABANDONED: report.due}


@pytest.mark.parametrize("bad", list(Arm))
async def test_a_saturated_warm_up_ends_the_run_after_both_warm_ups(bad: Arm) -> None:
    kinds = [SegmentKind.WARMUP, SegmentKind.WARMUP, SegmentKind.MEASURED, SegmentKind.MEASURED]
    stretch = segments(300, 300, 300, 300, arms=list(Arm), kinds=kinds)
    async with FaultServer(silent) as silent_one, FaultServer(always(OK)) as good:
        servers = [silent_one, good] if bad is Arm.BASE else [good, silent_one]
        intervals: list[Interval] = []
        bounds = {"timeout_ns": 60 * S, "backlog_most": 30, "drain_ns": 200 * MS}
        player = load_cases.make_player(part(servers, plan(), stretch, **bounds), intervals.append)
        await player.open()
        report, _ = await finish(player, intervals)
    assert not silent_one.requests[16:], "the queue is given up, not sent"
    assert report.saturated
    by_segment = {one.segment: outcomes([one]) for one in intervals}
    assert by_segment[1 - bad] == {Outcome.OK: 60}
    assert by_segment[int(bad)] == {Outcome.ABANDONED: 60}
    assert all(outcome is Outcome.ABANDONED for number in by_segment if number > 1 for outcome in by_segment[number])


async def kill_after(server: FaultServer, requests: int, back: FaultServer | None = None) -> None:
    """Once it has had so many requests; the other one takes its place 0.2 s later."""
    while len(server.requests) < requests:
        await asyncio.sleep(0.005)
    server.kill()
    if back is not None:
        await asyncio.sleep(0.2)
        await back.__aenter__()


async def test_a_killed_store_ends_the_run() -> None:
    async with FaultServer(always(OK)) as server:
        killing = asyncio.ensure_future(kill_after(server, 10))
        report, intervals = await run(part([server], plan(), segments(60_000), lost_ns=100 * MS))
        await killing
    assert report.lost
    assert not report.saturated
    assert report.completed
    assert set(outcomes(intervals)) <= {Outcome.OK, Outcome.RESET, Outcome.REFUSED, Outcome.ABANDONED}
    assert outcomes(intervals)[Outcome.REFUSED] > 0


async def test_a_store_that_comes_back_is_not_lost() -> None:
    async with FaultServer(always(OK)) as server:
        back = FaultServer(always(OK))
        back.port = server.port
        killing = asyncio.ensure_future(kill_after(server, 10, back))
        report, intervals = await run(part([server], plan(), segments(800)))
        await killing
        back.kill()
    assert not report.lost
    assert report.due == 160
    assert len(back.requests) >= 50
    assert outcomes(intervals)[Outcome.REFUSED] > 10


async def test_stop_sends_nothing_more_and_emits_everything() -> None:
    async with FaultServer(silent) as server:
        intervals: list[Interval] = []
        slow = part([server], plan(), segments(60_000), timeout_ns=3_600 * S, drain_ns=200 * MS)
        player = load_cases.make_player(slow, intervals.append)
        await player.open()
        sent: list[int] = []

        def stop() -> None:
            sent.append(len(server.requests))
            player.stop()

        asyncio.get_running_loop().call_later(0.3, stop)
        report, _ = await finish(player, intervals)
    assert report.stopped
    assert len(server.requests) - sent[0] <= 16
    assert report.abandoned == report.due > 0


async def test_stop_before_the_first_request_ends_the_run() -> None:
    async with FaultServer(always(OK)) as server:
        intervals: list[Interval] = []
        player = load_cases.make_player(part([server], plan(), segments(60_000)), intervals.append)
        await player.open()
        asyncio.get_running_loop().call_soon(player.stop)
        report, _ = await finish(player, intervals)
    assert report.stopped
    assert report.completed <= 2


async def test_long_segments_are_emitted_by_the_second_while_they_run() -> None:
    """Each interval is emitted soon after its second has passed, and then forgotten."""
    outstanding: list[int] = []
    intervals: list[Interval] = []
    async with FaultServer(always(OK)) as server:
        player = load_cases.make_player(part([server], plan(pattern="poisson"), segments(1_200, 400)), intervals.append)
        await player.open()

        async def watch() -> None:
            while True:
                outstanding.append(len(player._ledger.buckets))
                await asyncio.sleep(0.05)

        watching = asyncio.ensure_future(watch())
        await finish(player, intervals)
        watching.cancel()
    assert [(one.segment, one.start_ns, one.end_ns) for one in intervals] == [
        (0, 0, S), (0, S, 1_200 * MS), (1, 1_200 * MS, 1_600 * MS),
    ]  # fmt: skip
    assert max(outstanding) <= 3
    assert not player._ledger.buckets
    assert len(getattr(player, "_buckets", ())) <= 1, "what has been emitted is not held"
    assert sum(one.due for one in intervals) == len(plan(pattern="poisson").window(range(LANES), 0, 1_600 * MS))
    assert all(one.last_done_ns >= two.start_ns for two, one in pairwise(intervals))


async def test_checked_replies_count_what_they_found() -> None:
    class Searching(PlainAdapter):
        def judge(self, operation: object, key: int, index: int, status: int, body: bytes, deep: bool):  # type: ignore[no-untyped-def]
            from perfgate.targets.adapter import Judgement

            return Judgement(Outcome.OK, found=9 * deep, expected=10 * deep)

    async with FaultServer(always(OK)) as server:
        _, intervals = await run(part([server], plan(), segments(500), adapters={Arm.BASE: Searching()}))
    checked = int(plan().window(range(LANES), 0, 500 * MS).checked.sum())
    parts = [operation for one in intervals for operation in one.operations.values()]
    assert sum(one.checked for one in parts) == checked > 0
    assert sum(one.found for one in parts) == 9 * checked
    assert sum(one.expected for one in parts) == 10 * checked


async def test_a_part_without_requests_ends() -> None:
    async with FaultServer(always(OK)) as server:
        report, intervals = await run(part([server], plan(), segments(200), lanes=()))
    assert report.due == 0
    assert [one.due for one in intervals] == [0]


async def test_intervals_are_emitted_while_a_reply_is_always_awaited() -> None:
    """A slow store at a low rate: there is never a quiet moment."""
    ended: list[bool] = []

    async def slow(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.12)
        writer.write(OK)

    async with FaultServer(slow) as server:
        player = load_cases.make_player(
            part([server], plan(rate=40), segments(300, 1_000)), lambda one: ended.append(playing.done())
        )
        await player.open()
        playing = asyncio.ensure_future(player.play(time.monotonic_ns()))
        await playing
    assert ended[0] is False, "the first interval does not wait for the end"
