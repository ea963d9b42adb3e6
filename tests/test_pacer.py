"""Alarms: never early, at once when late, the last one set counts. With and without timerfd."""

from __future__ import annotations

import asyncio
import os
from time import monotonic_ns

import pytest
import uvloop
from perfgate_agent import pacer as pacer_module
from perfgate_agent.pacer import Pacer
from perfgate_agent.timerfd import TimerFd

MS = 1_000_000


def no_timerfd() -> TimerFd:
    raise OSError("this system has no timerfd")


@pytest.fixture(params=["timerfd", "loop"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "loop":
        monkeypatch.setattr(pacer_module, "TimerFd", no_timerfd)
    return str(request.param)


class Alarms:
    """A pacer that keeps the times at which it fired, and sets itself anew from a list."""

    def __init__(self, *further: int) -> None:
        self.further = list(further)
        self.fired: list[int] = []
        self.changed = asyncio.Event()
        self.pacer = Pacer(self._fire)

    def _fire(self) -> None:
        self.fired.append(monotonic_ns())
        self.changed.set()
        if self.further:
            self.pacer.set(self.further.pop(0))

    async def count(self, number: int) -> list[int]:
        async with asyncio.timeout(10):
            while len(self.fired) < number:
                self.changed.clear()
                await self.changed.wait()
        return self.fired


async def test_an_alarm_fires_once(kind: str) -> None:
    alarms = Alarms()
    alarms.pacer.set(monotonic_ns() + MS)
    await alarms.count(1)
    await asyncio.sleep(0.01)
    alarms.pacer.close()
    assert len(alarms.fired) == 1


async def test_a_time_that_is_past_fires_at_once(kind: str) -> None:
    alarms = Alarms(1, 0, -5)
    alarms.pacer.set(monotonic_ns() - 1_000 * MS)
    await alarms.count(4)
    alarms.pacer.close()


async def test_setting_anew_replaces_the_alarm(kind: str) -> None:
    alarms = Alarms()
    start = monotonic_ns()
    alarms.pacer.set(start + 60_000 * MS)
    alarms.pacer.set(start + MS)
    await alarms.count(1)
    alarms.pacer.close()


async def test_after_closing_nothing_fires(kind: str) -> None:
    alarms = Alarms()
    alarms.pacer.set(monotonic_ns() + 5 * MS)
    alarms.pacer.close()
    await asyncio.sleep(0.02)
    assert alarms.fired == []


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_timerfd_never_fires_early(loop_factory: type) -> None:
    async def main() -> None:
        start = monotonic_ns()
        times = [start + step * MS // 3 for step in range(1, 40)]
        alarms = Alarms(*times[1:])
        alarms.pacer.set(times[0])
        fired = await alarms.count(len(times))
        alarms.pacer.close()
        assert all(at <= when for at, when in zip(times, fired, strict=True))

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


async def test_an_alarm_that_is_not_set_anew_leaves_the_loop_in_peace() -> None:
    """A timer that has fired and was not read would wake the loop for ever."""
    alarms = Alarms()
    alarms.pacer.set(monotonic_ns())
    await alarms.count(1)
    timer = alarms.pacer._timer
    assert timer is not None
    with pytest.raises(BlockingIOError):
        os.read(timer.fileno(), 8)
    alarms.pacer.close()


def test_closing_gives_the_descriptor_back() -> None:
    timer = TimerFd()
    descriptor = timer.fileno()
    timer.close()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)
