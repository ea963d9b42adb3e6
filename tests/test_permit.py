"""Claims about both drivers: nothing that is due after the permit is sent, and lanes can be taken over in the middle."""

from __future__ import annotations

import asyncio
import time

import load_cases
import pytest
from fault_server import OK, FaultServer, always
from load_cases import MS, check_counts, part, plan, segments

from perfgate.interval import Interval
from perfgate.plan import LANES

pytestmark = pytest.mark.usefixtures("driver")


def due_before(until_ns: int) -> int:
    return len(plan().window(range(LANES), 0, until_ns))


async def test_nothing_that_is_due_after_the_permit_is_sent_and_the_rest_is_counted() -> None:
    async with FaultServer(always(OK)) as server:
        intervals: list[Interval] = []
        player = load_cases.make_player(part([server], plan(), segments(60_000)), intervals.append)
        await player.open()
        player.permit(400 * MS)
        playing = asyncio.ensure_future(player.play(time.monotonic_ns() + 30 * MS))
        await asyncio.sleep(0.7)
        player.stop()
        report = await playing
        check_counts(report, intervals)
        assert 0 < report.sent <= due_before(400 * MS)
        assert sum(one.completed for one in intervals) == report.sent


async def test_a_permit_that_is_renewed_in_time_changes_nothing() -> None:
    async with FaultServer(always(OK)) as server:
        intervals: list[Interval] = []
        player = load_cases.make_player(part([server], plan(), segments(600)), intervals.append)
        await player.open()
        player.permit(1)
        player.permit(300 * MS)
        playing = asyncio.ensure_future(player.play(time.monotonic_ns() + 30 * MS))
        player.permit(10_000 * MS)
        report = await playing
        check_counts(report, intervals)
        assert (report.due, report.completed) == (due_before(600 * MS), due_before(600 * MS))


async def test_lanes_that_are_taken_over_are_sent_from_then_on() -> None:
    async with FaultServer(always(OK)) as server:
        intervals: list[Interval] = []
        half, rest = tuple(range(0, LANES, 2)), tuple(range(1, LANES, 2))
        player = load_cases.make_player(part([server], plan(), segments(1_200), lanes=half), intervals.append)
        await player.open()
        playing = asyncio.ensure_future(player.play(time.monotonic_ns() + 30 * MS))
        since = player.take_lanes(rest, 800 * MS)
        assert since >= 800 * MS
        report = await playing
        check_counts(report, intervals)
        before, after = plan().window(half, 0, since), plan().window(range(LANES), since, 1_200 * MS)
        assert report.completed == len(before) + len(after)
