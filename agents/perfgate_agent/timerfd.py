"""A kernel timer as a file descriptor, with absolute times on CLOCK_MONOTONIC and a grain of nanoseconds.

uvloop's own timers have a grain of 1 ms, which is more than a request may be late.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time

TFD_NONBLOCK = 0o4000
TFD_CLOEXEC = 0o2000000
TFD_TIMER_ABSTIME = 1
PR_SET_TIMERSLACK = 29


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TimerFd:
    """Readable once the time it is set to has come. Raises OSError where the kernel has no timerfd."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "timerfd_create"):
            raise OSError("this system has no timerfd")
        self._libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
        self._fd = self._libc.timerfd_create(time.CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._spec = _Itimerspec()
        self._pointer = ctypes.byref(self._spec)

    def fileno(self) -> int:
        return int(self._fd)

    def set(self, at_ns: int) -> None:
        """Fire at `at_ns` of the monotonic clock; at once when that is past."""
        value = self._spec.value
        value.seconds, value.nanoseconds = divmod(max(at_ns, 1), 1_000_000_000)
        self._libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, self._pointer, None)

    def clear(self) -> None:
        """Take back that it has fired."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)

    def close(self) -> None:
        os.close(self._fd)
