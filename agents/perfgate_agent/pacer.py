"""Calls back at a time of the monotonic clock, as exactly as the system can: timerfd, or the loop's timer without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic_ns

from perfgate_agent.timerfd import TimerFd


class Pacer:
    """One alarm at a time; setting it anew replaces it."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None
        self._set = False
        try:
            self._timer: TimerFd | None = TimerFd()
        except OSError:
            self._timer = None
        else:
            self._loop.add_reader(self._timer.fileno(), self._fired)

    def set(self, at_ns: int) -> None:
        """at_ns: on the monotonic clock; a time that has passed calls back at once."""
        self._set = True
        if self._timer is not None:
            self._timer.set(at_ns)
            return
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_later(max(0, at_ns - monotonic_ns()) / 1e9, self._callback)

    def close(self) -> None:
        if self._timer is not None:
            self._loop.remove_reader(self._timer.fileno())
            self._timer.close()
        if self._handle is not None:
            self._handle.cancel()

    def _fired(self) -> None:
        assert self._timer is not None
        self._set = False
        self._callback()
        if not self._set:  # setting it anew takes back that it has fired, and saves a system call
            self._timer.clear()
