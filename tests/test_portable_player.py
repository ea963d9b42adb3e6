"""What only the portable driver has to take care of: it sends and keeps house in one thread."""

from __future__ import annotations

import asyncio
import time

import pytest
from fault_server import OK, FaultServer, always
from load_cases import MS, S, finish, part, plan, run, segments
from perfgate_agent import player as player_module
from perfgate_agent.player import Player

from perfgate.histogram import Histogram
from perfgate.interval import Interval


async def test_late_requests_are_sent_and_counted_never_skipped() -> None:
    async with FaultServer(always(OK)) as server:
        intervals: list[Interval] = []
        player = Player(part([server], plan(), segments(500)), intervals.append)
        await player.open()
        asyncio.get_running_loop().call_later(0.2, time.sleep, 0.15)  # blocks the loop: a generator that is late
        report, _ = await finish(player, intervals)
    assert report.completed == report.sent == len(server.requests) == 100
    lag = Histogram.merge([one.lag for one in intervals])
    assert lag.total == 100
    assert lag.max_ns > 100 * MS
    response = Histogram.merge([part.response for one in intervals for part in one.operations.values()])
    assert response.max_ns > 100 * MS, "what was sent late must not look fast"


async def test_an_overloaded_generator_still_records_and_emits_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No gap between two requests is ever long enough for housekeeping."""
    monkeypatch.setattr(player_module, "SLACK_NS", 3_600 * S)
    intervals: list[Interval] = []
    async with FaultServer(always(OK)) as server:
        report, _ = await run(part([server], plan(rate=500), segments(300, 1_200)), intervals)
    assert report.completed == 750
    assert len(intervals) == 3
    assert intervals[0].segment == 0
