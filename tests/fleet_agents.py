"""Agents as processes of their own on loopback, as a fleet has them, and what a test needs to drive them."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import environment, write_target

from perfgate.scenario import parse_scenario
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.units import NS_PER_S

READY = "perfgate agent ready on "


@dataclass(frozen=True, slots=True)
class Running:
    """One agent: its address, its process, and the directory in which it works."""

    address: str
    process: subprocess.Popen[str]
    directory: Path

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    def workers(self) -> dict[str, int]:
        """Process numbers of its load workers, by name."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if (
                    entry.name.isdigit()
                    and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == self.process.pid
                ):
                    words = (entry / "cmdline").read_bytes().decode().split("\0")
                    if "perfgate_agent.worker_process" in words:
                        found[words[-2]] = int(entry.name)
        return found

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """As if its machine stood still; goes on afterwards."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def agent_processes(directory: Path, names: Sequence[str], workers: int = 1) -> Iterator[dict[str, Running]]:
    """By name, with so many workers each; they share a cache. Killed afterwards, stopped or not."""
    target, processes = write_target(directory), dict[str, subprocess.Popen[str]]()
    try:
        for name in names:
            processes[name] = subprocess.Popen(
                [
                    sys.executable, "-m", "perfgate_agent", "--name", name, "--port", "0", "--cache-dir",
                    str(directory / "cache"), "--work-dir", str(directory / name), "--target", str(target),
                    "--workers", str(workers),
                ],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment(directory),
            )  # fmt: skip
        yield {name: Running(_address(process), process, directory / name) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().removeprefix(READY).split()[0]


def small_scenario(rate: float = 60.0, seconds: float = 30.0) -> Scenario:
    """Small data, constant arrivals."""
    return parse_scenario(
        {
            "name": "small",
            "duration": {"total_seconds": seconds},
            "arrival": {"pattern": "constant", "rate": rate},
            "operations": {"store_weight": 1},
            "data": {"num_nodes": 200, "embedding_dim": 8},
            "connection": {"connections": 12},
        }
    )


def one_segment(seconds: float) -> tuple[Segment, ...]:
    return (Segment(0, Arm.BASE, SegmentKind.MEASURED, -1, 0, round(seconds * NS_PER_S), 0),)
