"""Meters what a worker uses of its machine while it plays: CPU, waiting for a core, switches, faults, collections, steal.

A player starts the meter, calls `sample` some twenty times a second (about 10 µs each) and stops it:

    meter = UsageMeter(measured_windows(part.segments, start_ns))
    meter.start()
    ...
    usage = meter.stop()
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic_ns, process_time_ns
from typing import Any

from perfgate.segment import Segment, SegmentKind
from perfgate.units import NS_PER_MS, seconds_to_ns
from perfgate.usage import ThreadUsage, Usage
from perfgate_agent.steal import Ticks, read_all_ticks, stolen_share
from perfgate_agent.thread_times import ThreadTimes, WaitingClock, read_thread, thread_cpu_ns

SAMPLE_NS = 50 * NS_PER_MS
"""About how often a player samples. Longer gaps in which the process did nothing are standstills."""
WINDOW_NS = 250 * NS_PER_MS
"""The CPU share is taken window by window: as long as a slice, since bursts of load may be as short."""
SHORT_WINDOW_NS = 20 * NS_PER_MS
"""The last one of a load that was cut may be as short."""
BUSIEST = 0.1
PR_GET_TIMERSLACK = 30

Window = tuple[int, int]


def measured_windows(segments: Iterable[Segment], start_ns: int) -> list[Window]:
    """The measured segments on the monotonic clock, of a run that starts at `start_ns`."""
    return [
        (start_ns + segment.offset_ns, start_ns + segment.end_ns)
        for segment in segments
        if segment.kind is SegmentKind.MEASURED
    ]


@dataclass(frozen=True, slots=True)
class _Reading:
    """Everything at one moment. cores: CPU time in ns, of the process over the processors it may use, and where these are
    several, of each thread."""

    at_ns: int
    cores: tuple[float, ...]
    rusage: resource.struct_rusage
    threads: Mapping[str, ThreadTimes]
    ticks: Ticks


class UsageMeter:
    """For one run. `start`, `sample` and `stop` are called by the same thread; `stop` more than once does no harm.

    measured: the measured slices on the monotonic clock, in order; the loaded part lasts from the first's start to the
    last's end, or all of the run where there is none, or which ends before. threads: native ids by name; the first is the
    thread that sends and receives (default: the one that starts the meter, as `main`). begins_ns: when the first request
    is due, before the measured ones or with them.
    """

    def __init__(
        self, measured: Sequence[Window] = (), threads: Mapping[str, int] | None = None, begins_ns: int = 0
    ) -> None:
        self._measured = sorted(measured)
        self._threads = dict(threads or {"main": threading.get_native_id()})
        self._hot = next(iter(self._threads.values()))
        self._from_ns = self._measured[0][0] if self._measured else 0
        self._until_ns = max(end for _, end in self._measured) if self._measured else 0
        self._windows = _Windows()
        self._early = _Windows()  # of the time before the loaded part
        self._begins_ns = begins_ns
        self._first: _Reading | None = None
        self._loaded: _Reading | None = None
        self._unloaded: _Reading | None = None
        self._standstill_ns = 0
        self._gc_began_ns = self._gc_pauses = self._gc_longest_ns = 0
        self._usage: Usage | None = None

    def start(self) -> None:
        self._cpus = tuple(sorted(os.sched_getaffinity(self._hot)))
        self._clocks = [WaitingClock(tid) for tid in {self._hot, threading.get_native_id()}]
        self._began = self._read()
        self._previous = (self._began.at_ns, process_time_ns(), self._waits())
        gc.callbacks.append(self._collected)

    def sample(self, cut: bool = False) -> None:
        """Nothing once the loaded part is over. cut: load was given up, so that it ends here, or never begins: waiting for
        the last replies must not dilute what came before."""
        if self._unloaded is not None:
            return
        now = monotonic_ns()
        if self._first is None and now >= self._begins_ns:
            self._first = self._read()
            self._early.begin(self._first.at_ns, self._first.cores)
        if cut:
            if self._first is not None:
                (self._windows if self._loaded else self._early).take(now, self._cores(), SHORT_WINDOW_NS)
            self._unloaded = self._read()
            return
        if now < self._from_ns:
            self._previous = (now, process_time_ns(), self._waits())
            if self._first is not None:
                self._early.take(now, self._cores())
            return
        if self._loaded is None:
            self._loaded = self._read()
            self._windows.begin(self._loaded.at_ns, self._loaded.cores)
            self._previous = (now, process_time_ns(), self._waits())
            return
        self._see_standstill(now)
        self._windows.take(now, self._cores())
        if self._until_ns and now >= self._until_ns:
            self._unloaded = self._read()

    def stop(self) -> Usage:
        """What was used since `start`."""
        if self._usage is None:
            gc.callbacks.remove(self._collected)
            self._usage = self._compute()
            for clock in self._clocks:
                clock.close()
        return self._usage

    def _see_standstill(self, now_ns: int) -> None:
        at_ns, cpu_ns, waits = self._previous
        cpu, new_waits = process_time_ns(), self._waits()
        waited = max(new - old for new, old in zip(new_waits, waits, strict=True))
        self._standstill_ns = max(self._standstill_ns, now_ns - at_ns - SAMPLE_NS - (cpu - cpu_ns) - waited)
        self._previous = (now_ns, cpu, new_waits)

    def _collected(self, phase: str, info: Mapping[str, Any]) -> None:
        """Called by the collector before and after each collection."""
        now = monotonic_ns()
        if phase == "start":
            self._gc_began_ns = now
        elif self._in_a_slice(self._gc_began_ns, now):
            self._gc_pauses += 1
            self._gc_longest_ns = max(self._gc_longest_ns, now - self._gc_began_ns)

    def _in_a_slice(self, began_ns: int, ended_ns: int) -> bool:
        last = bisect_right(self._measured, ended_ns, key=lambda window: window[0]) - 1
        return not self._measured or (last >= 0 and began_ns < self._measured[last][1])

    def _waits(self) -> list[int]:
        return [clock.read() for clock in self._clocks]

    def _cores(self) -> tuple[float, ...]:
        process = process_time_ns() / len(self._cpus)
        if len(self._cpus) == 1:
            return (process,)
        return (process, *map(thread_cpu_ns, self._threads.values()))

    def _read(self) -> _Reading:
        return _Reading(
            at_ns=monotonic_ns(),
            cores=self._cores(),
            rusage=resource.getrusage(resource.RUSAGE_SELF),
            threads={name: read_thread(tid) for name, tid in self._threads.items()},
            ticks=read_all_ticks(),
        )

    def _compute(self) -> Usage:
        ended = self._read()
        before, after = self._began.rusage, ended.rusage
        first = self._loaded or self._first or self._began
        last = self._unloaded or ended
        loaded_ns = max(1, last.at_ns - first.at_ns)
        share = max(new - old for new, old in zip(last.cores, first.cores, strict=True)) / loaded_ns
        share = min(1.0, share)  # the clocks are not read at the very same moment
        threads = tuple(_thread(name, first.threads[name], last.threads[name]) for name in self._threads)
        waiting = threads[0].waiting_ns
        own = [f"cpu{cpu}" for cpu in self._cpus]
        return Usage(
            wall_ns=ended.at_ns - self._began.at_ns,
            user_ns=seconds_to_ns(after.ru_utime - before.ru_utime),
            system_ns=seconds_to_ns(after.ru_stime - before.ru_stime),
            voluntary_switches=after.ru_nvcsw - before.ru_nvcsw,
            involuntary_switches=after.ru_nivcsw - before.ru_nivcsw,
            minor_faults=after.ru_minflt - before.ru_minflt,
            major_faults=after.ru_majflt - before.ru_majflt,
            peak_rss_bytes=after.ru_maxrss * 1024,
            loaded_ns=loaded_ns,
            cpu_share=share,
            busiest_share=(self._windows if self._loaded else self._early).busiest(share),
            waiting_share=None if waiting is None else min(1.0, waiting / loaded_ns),
            steal_share=stolen_share(_sum(first.ticks, own), _sum(last.ticks, own)),
            host_steal_share=stolen_share(_sum(first.ticks, ["cpu"]), _sum(last.ticks, ["cpu"])),
            standstill_ns=max(0, self._standstill_ns),
            gc_pauses=self._gc_pauses,
            gc_longest_ns=self._gc_longest_ns,
            threads=threads,
            **_conditions(self._hot),
        )


class _Windows:
    """CPU shares of windows of the loaded part: how long each share was seen, in steps of a thousandth. Bounded."""

    def __init__(self) -> None:
        self._seen = [0] * 1_001
        self._at_ns = 0
        self._cores: tuple[float, ...] = ()

    def begin(self, at_ns: int, cores: tuple[float, ...]) -> None:
        self._at_ns, self._cores = at_ns, cores

    def take(self, at_ns: int, cores: tuple[float, ...], least_ns: int = WINDOW_NS) -> None:
        """Closes the window once it is long enough."""
        length = at_ns - self._at_ns
        if length < least_ns:
            return
        share = max(new - old for new, old in zip(cores, self._cores, strict=True)) / length
        self._seen[min(1_000, max(0, round(share * 1_000)))] += length
        self.begin(at_ns, cores)

    def busiest(self, otherwise: float) -> float:
        """The share that was reached in a tenth of the time; `otherwise` where there was not one window."""
        left = BUSIEST * sum(self._seen)
        if not left:
            return otherwise
        for share in range(1_000, -1, -1):
            left -= self._seen[share]
            if left <= 0:
                return max(otherwise, share / 1_000)
        return otherwise


def _thread(name: str, before: ThreadTimes, after: ThreadTimes) -> ThreadUsage:
    """A thread that ended meanwhile has used nothing that could be told."""
    known = before.waiting_ns is not None and after.waiting_ns is not None
    return ThreadUsage(
        name=name,
        run_ns=max(0, after.run_ns - before.run_ns),
        waiting_ns=max(0, (after.waiting_ns or 0) - (before.waiting_ns or 0)) if known else None,
        user_ns=max(0, after.user_ns - before.user_ns),
        system_ns=max(0, after.system_ns - before.system_ns),
    )


def _sum(ticks: Ticks, names: Iterable[str]) -> tuple[int, int]:
    found = [ticks[name] for name in names if name in ticks]
    return sum(stolen for stolen, _ in found), sum(passed for _, passed in found)


def _conditions(tid: int) -> dict[str, Any]:
    """Scheduling class, processors and timer slack as they are, whatever was asked for."""
    scheduler = os.sched_getscheduler(tid)
    realtime = scheduler in (os.SCHED_FIFO, os.SCHED_RR)
    return {
        "scheduling": "realtime" if realtime else "ordinary",
        "priority": os.sched_getparam(tid).sched_priority,
        "nice": os.getpriority(os.PRIO_PROCESS, tid),
        "cpus": tuple(sorted(os.sched_getaffinity(tid))),
        "timer_slack_ns": timer_slack_ns(),
    }


def timer_slack_ns() -> int | None:
    """Of the calling thread, prctl(2); None where the system has no such thing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl"):
        return None
    slack = int(libc.prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0))
    return slack if slack >= 0 else None
