"""A small scenario on the real store through real agents, for tests that walk the whole way."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from unittest import mock

from in_process import perfgate_here
from perfgate_controller import schedule

ROOT = Path(__file__).resolve().parent.parent
UNWATCHED = "; ".join((
    "from perfgate.cli.main import console", "from perfgate_controller import schedule",
    "schedule.FIRST_WARMUP_NS = 0", "console()",
))  # fmt: skip
"""`python -c` of this is a perfgate whose first pair is warmed up for no longer than the others."""

SCENARIO = """
name = "small"
[duration]
total_seconds = {seconds}
[arrival]
pattern = "constant"
rate = {rate}
[operations]
store_weight = 0.35
recall_weight = 0.35
embedding_search_weight = 0.3
[data]
num_nodes = 400
embedding_dim = 16
[gate]
policy = "quick"
looks = [2, 3]
margin = 0.9
measured_seconds = 0.5
warmup_seconds = 0.25
max_lag_p99_ms = 1000
max_worker_cpu = 1
max_core_wait = 1
max_steal = 1
max_gc_pause_ms = 1000
{gate}
"""

TARGET = """
name = "embedded"
adapter = "engram"
[options]
threshold = 0.0
[host]
command = ["{python}", "-m", "perfgate.store", "--port", "{port}", "--data-dir", "{data_dir}", "--dim", "{embedding_dim}"]
start_timeout_seconds = 30
[variants.default]
[variants.forgetful]
arguments = ["--forget", "0.3"]
[variants.failing]
arguments = ["--fail", "recall=0.3"]
[variants.mortal]
arguments = ["--die-after", "700"]
[variants.weak]
arguments = ["--capacity", "150"]
[variants.stubborn]
arguments = ["--start-delay", "60"]
"""


def write_scenario(directory: Path, seconds: float = 3, rate: float = 400.0, gate: str = "") -> Path:
    path = directory / "small.toml"
    path.write_text(SCENARIO.format(seconds=seconds, rate=rate, gate=gate))
    return path


def write_target(directory: Path) -> Path:
    path = directory / "embedded.toml"
    path.write_text(TARGET)
    return path


def environment(directory: Path) -> dict[str, str]:
    """A cache of its own, shared by the tests of one session."""
    return {
        **os.environ,
        "PERFGATE_CACHE": str(directory),
        "PERFGATE_EVIDENCE": str(directory / "evidence.jsonl"),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'agents'}:{ROOT / 'controller'}",
    }


def perfgate(
    arguments: list[str], cache: Path, timeout: float = 90, watched: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end: in this process, whose Python has started already and has imported what it needs;
    agents, workers and stores are processes all the same. In one of its own where the test is not on the main thread, which
    alone hears signals. watched: a gate warms its first pair up for as long as it takes a backlog to show."""
    if threading.current_thread() is threading.main_thread():
        first_ns = schedule.FIRST_WARMUP_NS if watched else 0
        with mock.patch.object(schedule, "FIRST_WARMUP_NS", first_ns):
            return perfgate_here(arguments, ROOT, environment(cache))
    return subprocess.run(
        [sys.executable, "-m", "perfgate", *arguments],
        capture_output=True, text=True, timeout=timeout, env=environment(cache), cwd=ROOT, check=False,
    )  # fmt: skip


def measured(done: subprocess.CompletedProcess[str]) -> bool:
    """A run came to its end. Its exit code is 3 where other work on this machine made the generator late: there is a record
    of it all the same."""
    return done.returncode == 0 or (done.returncode == 3 and "INVALID" in done.stdout)


def alive(pid: int) -> bool:
    """A process that has ended, and has only not been waited for, is not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def wait_gone(pids: Iterable[int]) -> None:
    """Until processes that are not ours to wait for have ended; the test's own timeout bounds it."""
    for pid in pids:
        while alive(pid):
            time.sleep(0.02)


def wait_for_load(process: subprocess.Popen[str], directory: Path) -> None:
    """Until the first second of a run or a gate into `directory/out` has been recorded; the test's own timeout bounds it."""
    intervals = directory / "out" / "intervals.jsonl"
    while not (intervals.exists() and intervals.read_text().count("\n") > 1):  # the first line is the file's head
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@contextlib.contextmanager
def started(arguments: list[str], cache: Path) -> Iterator[subprocess.Popen[str]]:
    """A running command line, whose first pair is warmed up for no longer than the others; killed afterwards if it still
    runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", UNWATCHED, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(cache), cwd=ROOT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def wait_for_line(process: subprocess.Popen[str], words: str) -> str:
    """Read standard error until a line has these words."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"the process ended without saying {words!r}")
