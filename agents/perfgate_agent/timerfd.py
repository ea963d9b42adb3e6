"""A kernel timer as a file descriptor, with absolute times on CLOCK_MONOTONIC and a grain of nanoseconds.

uvloop's own timers have a grain of 1 ms, which is more than a request may be late.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from functools import partial

TFD_NONBLOCK = 0o4000
TFD_CLOEXEC = 0o2000000
TFD_TIMER_ABSTIME = 1
PR_SET_TIMERSLACK = 29


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
        # struct itimerspec: interval and value, each as seconds and nanoseconds; the interval stays 0.
        words = (ctypes.c_long * 4)()
        self._spec = memoryview(words).cast("B").cast("l")
        settime = ctypes.PyDLL(None).timerfd_settime  # it never blocks: no need to let go of the interpreter's lock
        self._arm = partial(settime, ctypes.c_int(self._fd), ctypes.c_int(TFD_TIMER_ABSTIME), ctypes.byref(words), None)

    def fileno(self) -> int:
        return int(self._fd)

    def set(self, at_ns: int) -> None:
        """Fire at `at_ns` of the monotonic clock; at once when that is past."""
        spec = self._spec
        spec[2], spec[3] = divmod(at_ns if at_ns > 0 else 1, 1_000_000_000)
        self._arm()

    def clear(self) -> None:
        """Take back that it has fired."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)

    def close(self) -> None:
        os.close(self._fd)
