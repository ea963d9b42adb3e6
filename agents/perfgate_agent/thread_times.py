"""What the kernel says of one thread of this process: its time on a core, and its time ready for one without getting it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PER_THREAD_CPU_CLOCK = 6  # CPUCLOCK_SCHED | CPUCLOCK_PERTHREAD_MASK of linux/posix-timers.h


@dataclass(frozen=True, slots=True)
class ThreadTimes:
    """Since the thread began. run_ns: on a core. waiting_ns: runnable without a core; None where the kernel does not tell
    (it was built without CONFIG_SCHED_INFO). user_ns, system_ns: in whole clock ticks."""

    run_ns: int = 0
    waiting_ns: int | None = None
    user_ns: int = 0
    system_ns: int = 0


def read_thread(tid: int) -> ThreadTimes:
    """By native id; all zeros for a thread that has ended."""
    task = Path(f"/proc/self/task/{tid}")
    try:
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        user, system = (int(ticks) * NS_PER_TICK for ticks in fields[11:13])
    except (OSError, ValueError):
        return ThreadTimes()
    try:
        run, waiting = map(int, (task / "schedstat").read_text().split()[:2])
    except (OSError, ValueError):
        return ThreadTimes(user + system, None, user, system)
    return ThreadTimes(run, waiting, user, system)


def thread_cpu_ns(tid: int) -> int:
    """Time on a core until now, to the nanosecond; 0 for a thread that has ended."""
    try:
        return time.clock_gettime_ns((~tid << 3) | _PER_THREAD_CPU_CLOCK)
    except OSError:
        return 0


class WaitingClock:
    """Reads one thread's waiting_ns in about a microsecond: its file stays open until `close`."""

    def __init__(self, tid: int) -> None:
        try:
            self._file = os.open(f"/proc/self/task/{tid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def read(self) -> int:
        """0 where it cannot be told."""
        if self._file < 0:
            return 0
        try:
            return int(os.pread(self._file, 64, 0).split()[1])
        except (OSError, ValueError, IndexError):
            return 0

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
