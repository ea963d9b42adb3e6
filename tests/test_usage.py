"""Claims about the meter of a worker's own usage: what it counts, when, and what it leaves out."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from load_cases import MS, segments
from perfgate_agent.steal import read_all_ticks, read_cpu_ticks, stolen_share
from perfgate_agent.thread_times import WaitingClock, read_thread, thread_cpu_ns
from perfgate_agent.usage import UsageMeter, _Windows, measured_windows, timer_slack_ns

from perfgate.segment import SegmentKind

PR_SET_TIMERSLACK = 29
BURN = (
    "import os, time\nos.sched_setaffinity(0, {%d})\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass"
)


def burn(seconds: float, meter: UsageMeter | None = None) -> None:
    """Busy for so long, sampling as a player does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sample = time.monotonic() + 0.05
        while time.monotonic() < sample:
            pass
        if meter:
            meter.sample()


@pytest.fixture
def one_cpu() -> Iterator[int]:
    """This thread pinned to one processor."""
    before = os.sched_getaffinity(0)
    cpu = max(before)
    os.sched_setaffinity(0, {cpu})
    yield cpu
    os.sched_setaffinity(0, before)


def test_a_busy_thread_is_on_its_core_or_waits_for_it(one_cpu: int) -> None:
    """Whatever else this machine does: the two shares of a thread that never sleeps add up to all of the time."""
    meter = UsageMeter()
    meter.start()
    meter.sample()
    burn(0.6, meter)
    usage = meter.stop()
    assert usage.cpus == (one_cpu,)
    assert usage.waiting_share is not None
    assert 0.8 < usage.cpu_share + usage.waiting_share < 1.1
    assert usage.busiest_share >= usage.cpu_share
    assert usage.standstill_ns < 200 * MS
    (thread,) = usage.threads
    assert thread.name == "main"
    assert thread.run_ns > 0.8 * usage.cpu_share * usage.loaded_ns


def test_a_thread_whose_core_another_process_uses_waits_for_it(one_cpu: int) -> None:
    with subprocess.Popen([sys.executable, "-c", BURN % one_cpu]) as hog:
        meter = UsageMeter()
        meter.start()
        meter.sample()
        burn(0.8, meter)
        usage = meter.stop()
        hog.kill()
    assert usage.waiting_share is not None
    assert usage.waiting_share > 0.1
    assert usage.involuntary_switches > 0


def test_only_the_loaded_part_makes_the_shares() -> None:
    """Busy before and after it, idle in it."""
    now = time.monotonic_ns()
    meter = UsageMeter([(now + 300 * MS, now + 400 * MS), (now + 500 * MS, now + 600 * MS)])
    meter.start()
    burn(0.28, meter)
    while time.monotonic_ns() < now + 640 * MS:
        time.sleep(0.02)
        meter.sample()
    burn(0.3, meter)
    usage = meter.stop()
    assert usage.user_ns + usage.system_ns > 2 * usage.cpu_share * usage.loaded_ns
    assert usage.cpu_share < 0.5
    assert usage.loaded_ns < usage.wall_ns / 2


def test_a_run_that_ends_before_its_loaded_part_is_taken_as_a_whole() -> None:
    meter = UsageMeter([(time.monotonic_ns() + 10_000 * MS, time.monotonic_ns() + 20_000 * MS)])
    meter.start()
    meter.sample()
    usage = meter.stop()
    assert usage.known
    assert usage.loaded_ns <= usage.wall_ns + 1


@pytest.mark.parametrize("begins", [0, 450])
def test_the_loaded_part_ends_where_the_load_is_cut(begins: int, one_cpu: int) -> None:
    """Busy, then cut, then waiting for the last replies; the measured part has begun, or begins in that time."""
    now = time.monotonic_ns()
    meter = UsageMeter([(now + begins * MS, now + 10_000 * MS)])
    meter.start()
    burn(0.3, meter)
    cut_ns = time.monotonic_ns() - now
    while time.monotonic_ns() < now + cut_ns + 600 * MS:
        meter.sample(cut=True)
        time.sleep(0.02)
    usage = meter.stop()
    assert usage.loaded_ns < cut_ns + 50 * MS
    assert usage.busiest_share >= usage.cpu_share > 0


def test_a_load_that_is_given_up_before_its_first_request_has_used_what_it_has() -> None:
    meter = UsageMeter(begins_ns=time.monotonic_ns() + 60_000 * MS)
    meter.start()
    meter.sample(cut=True)
    usage = meter.stop()
    assert usage.known
    assert 0 <= usage.busiest_share <= 1


def test_what_comes_before_the_first_request_is_not_loaded() -> None:
    now = time.monotonic_ns()
    meter = UsageMeter([(now + 10_000 * MS, now + 20_000 * MS)], begins_ns=now + 200 * MS)
    meter.start()
    burn(0.5, meter)
    meter.sample(cut=True)
    usage = meter.stop()
    assert usage.wall_ns - usage.loaded_ns > 190 * MS


def test_collections_count_in_slices_alone() -> None:
    now = time.monotonic_ns()
    meter = UsageMeter([(now, now + 30_000 * MS)])
    meter.start()
    meter.sample()
    gc.collect()
    inside = meter.stop()
    gc.collect()
    assert inside.gc_pauses >= 1
    assert inside.gc_longest_ns > 0
    later = UsageMeter([(now - 20 * MS, now - 10 * MS), (now + 60_000 * MS, now + 70_000 * MS)])
    later.start()
    gc.collect()
    assert later.stop().gc_pauses == 0


def test_the_meter_leaves_no_callback_and_no_open_file() -> None:
    before, files = list(gc.callbacks), len(os.listdir("/proc/self/fd"))
    meter = UsageMeter()
    meter.start()
    first = meter.stop()
    assert meter.stop() is first
    assert gc.callbacks == before
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_standstill_is_told_from_work_and_from_waiting() -> None:
    """Asleep in place of stopped: the process asks for no core either way."""
    meter = UsageMeter()
    meter.start()
    meter.sample()
    time.sleep(0.3)
    meter.sample()
    assert meter.stop().standstill_ns > 200 * MS


def test_switches_and_faults_are_counted() -> None:
    pages = 64
    meter = UsageMeter()
    meter.start()
    with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(pages):
            memory[page * mmap.PAGESIZE] = 1
    for _ in range(10):
        time.sleep(0.001)
    usage = meter.stop()
    assert usage.minor_faults >= pages
    assert usage.voluntary_switches >= 10
    assert usage.peak_rss_bytes > 1_000_000


def test_conditions_are_those_that_hold_and_not_those_asked_for() -> None:
    meter = UsageMeter()
    meter.start()
    usage = meter.stop()
    assert usage.cpus == tuple(sorted(os.sched_getaffinity(0)))
    assert usage.nice == os.getpriority(os.PRIO_PROCESS, 0)
    assert (usage.scheduling == "realtime") == (os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR))


def test_timer_slack_is_read_from_the_kernel() -> None:
    libc, before = ctypes.CDLL(None), timer_slack_ns()
    assert before is not None
    try:
        libc.prctl(PR_SET_TIMERSLACK, 123_456, 0, 0, 0)
        assert timer_slack_ns() == 123_456
    finally:
        libc.prctl(PR_SET_TIMERSLACK, before, 0, 0, 0)


def test_threads_are_told_apart_and_one_that_has_ended_does_no_harm() -> None:
    begun, finish = threading.Event(), threading.Event()
    tids: list[int] = []

    def work() -> None:
        tids.append(threading.get_native_id())
        begun.set()
        finish.wait()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    meter = UsageMeter(threads={"engine": threading.get_native_id(), "helper": tids[0]})
    meter.start()
    meter.sample()
    burn(0.1)
    finish.set()
    thread.join()
    meter.sample()
    usage = meter.stop()
    assert [one.name for one in usage.threads] == ["engine", "helper"]
    assert usage.threads[0].run_ns > usage.threads[1].run_ns


def test_a_thread_that_does_not_exist_reads_as_nothing() -> None:
    nobody = 2**22 + 1
    assert read_thread(nobody).run_ns == 0
    assert thread_cpu_ns(nobody) == 0
    clock = WaitingClock(nobody)
    assert clock.read() == 0
    clock.close()


def test_measured_segments_alone_are_windows() -> None:
    kinds = [SegmentKind.WARMUP, SegmentKind.MEASURED, SegmentKind.MEASURED]
    assert measured_windows(segments(100, 200, 300, kinds=kinds), 7) == [
        (7 + 100 * MS, 7 + 300 * MS), (7 + 300 * MS, 7 + 600 * MS),
    ]  # fmt: skip


def test_the_ticks_of_all_processors_are_those_of_each() -> None:
    ticks = read_all_ticks()
    each = [one for name, one in ticks.items() if name != "cpu"]
    assert len(each) >= len(os.sched_getaffinity(0))
    assert 0.9 < sum(passed for _, passed in each) / ticks["cpu"][1] < 1.1
    assert 0 <= stolen_share(ticks["cpu"], read_cpu_ticks()) <= 1


# --- windows -------------------------------------------------------------------------------------------------------


def windows(shares: list[float]) -> _Windows:
    one, at, used = _Windows(), 0, 0.0
    one.begin(0, (0.0,))
    for share in shares:
        at, used = at + 250 * MS, used + share * 250 * MS
        one.take(at, (used,))
    return one


def test_the_busiest_tenth_is_seen_behind_nine_idle_ones() -> None:
    assert windows([0.1] * 9 + [0.97]).busiest(0.2) == pytest.approx(0.97)


def test_a_single_busy_moment_of_a_long_run_is_not_the_busiest_tenth() -> None:
    assert windows([0.1] * 99 + [0.97]).busiest(0.1) == pytest.approx(0.1)


def test_of_several_processors_the_busiest_thread_counts() -> None:
    one = _Windows()
    one.begin(0, (0.0, 0.0))
    one.take(250 * MS, (0.5 * 250 * MS, 0.98 * 250 * MS))
    assert one.busiest(0.0) == pytest.approx(0.98)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_the_busiest_share_lies_between_the_ninth_tenth_and_the_most(shares: list[float]) -> None:
    busiest = windows(shares).busiest(0.0)
    assert busiest <= max(shares) + 1e-3
    assert sum(share >= busiest - 1e-3 for share in shares) >= 0.1 * len(shares) - 1e-6
    assert sum(share > busiest + 1e-3 for share in shares) <= 0.1 * len(shares) + 1e-6
