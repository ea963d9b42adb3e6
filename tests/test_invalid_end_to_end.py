"""Claims about measurements that the load generator spoils, each provoked for real through the command line.

A store that cannot hold the rate is provoked in test_gate_end_to_end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cluster import perfgate, started, wait_for_load, write_scenario, write_target
from perfgate_agent.ports import descendants

HOG = """
import os, sys, time
os.sched_setaffinity(0, {int(cpu) for cpu in sys.argv[1].split(",")})
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(2))  # above the workers
except PermissionError:
    pass
end = time.monotonic() + 3
while time.monotonic() < end:
    burst = time.monotonic() + 0.03
    while time.monotonic() < burst:
        pass
    time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def order(directory: Path, verb: str, seconds: float = 3, **thresholds: float) -> list[str]:
    """A small run or gate with these thresholds in `[gate]`."""
    scenario = write_scenario(directory, seconds)
    target = write_target(directory)
    lines = [line for line in scenario.read_text().splitlines() if line.partition(" ")[0] not in thresholds]
    scenario.write_text("\n".join([*lines, *(f"{key} = {value}" for key, value in thresholds.items())]))
    words = [verb, str(scenario), "--target", str(target), "--out", str(directory / "out")]
    return [*words, "--warmup", "0s"] if verb == "run" else [*words, "--base", "default", "--candidate", "default"]


def workers(root: int) -> list[int]:
    """The worker processes below a command line of our own."""
    found = []
    for pid in descendants(root):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"perfgate_agent.worker_process" in command and b"spawn.py" not in command:
            found.append(pid)
    return found


def invalid(directory: Path) -> list[dict[str, str]]:
    data: Any = json.loads((directory / "out" / "result.json").read_text())
    reasons: list[dict[str, str]] = data["record"]["invalid"]
    return reasons


def test_a_worker_stopped_for_300_ms_makes_a_run_invalid_and_says_that_it_stood_still(
    tmp_path: Path, cache: Path
) -> None:
    with started(order(tmp_path, "run", max_lag_p99_ms=50), cache) as process:
        wait_for_load(process, tmp_path)
        (worker,) = workers(process.pid)
        os.kill(worker, signal.SIGSTOP)
        time.sleep(0.3)  # what is being provoked
        os.kill(worker, signal.SIGCONT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 3, out + err
    assert "INVALID" in out
    (reason,) = invalid(tmp_path)
    assert reason["code"] == "generator_lag"
    assert "worker 1 of agent local-1 stood still for" in reason["text"]
    assert "find what stopped it" in reason["remedy"]


def test_a_worker_over_its_share_of_a_core_makes_a_run_invalid_and_a_report_says_it_again(
    tmp_path: Path, cache: Path
) -> None:
    done = perfgate(order(tmp_path, "run", seconds=1, max_worker_cpu=0.0001), cache)
    assert done.returncode == 3, done.stdout + done.stderr
    (reason,) = invalid(tmp_path)
    assert reason["code"] == "generator_busy"
    assert "worker 1 of agent local-1 used" in reason["text"]
    assert "add workers" in reason["remedy"]
    again = perfgate(["report", str(tmp_path / "out"), "--exit-code"], cache)
    assert again.returncode == 3
    assert "INVALID" in again.stdout


def test_a_worker_over_its_share_of_a_core_makes_a_gate_invalid(tmp_path: Path, cache: Path) -> None:
    done = perfgate(order(tmp_path, "gate", max_worker_cpu=0.0001), cache)
    assert done.returncode == 3, done.stdout + done.stderr
    text = " ".join(done.stdout.split())
    assert "INVALID" in text
    assert "worker 1 of agent local-1 used" in text
    assert "lower [arrival] rate" in text


def test_a_hog_on_the_workers_core_makes_a_run_invalid(tmp_path: Path, cache: Path) -> None:
    with started(order(tmp_path, "run", seconds=4, max_core_wait=0.02, max_lag_p99_ms=3), cache) as process:
        wait_for_load(process, tmp_path)
        (worker,) = workers(process.pid)
        cpus = ",".join(map(str, os.sched_getaffinity(worker)))
        with subprocess.Popen([sys.executable, "-c", HOG, cpus]) as hog:
            out, err = process.communicate(timeout=40)
            hog.kill()
    assert process.returncode == 3, out + err
    assert {"core_wait", "generator_lag"} & {reason["code"] for reason in invalid(tmp_path)}
    assert "had no core for" in " ".join(out.split())
