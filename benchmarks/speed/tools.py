"""The load generators that are compared: where they are, how they are called, and how their output is read.

Peers live in a directory of their own, made by scripts/peers.sh: PERFGATE_PEERS, or ~/.cache/perfgate-peers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.reading import Reading, read_h2load, read_hey, read_oha, read_own, read_vegeta, read_wrk

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PEERS = Path(os.environ.get("PERFGATE_PEERS") or Path.home() / ".cache" / "perfgate-peers")
OURS = "perfgate"
FLOOR = "floor"
"""No generator, but benchmarks/floor.c: send() and recv() alone."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one tool. port: of nginx; rate: None for a closed loop. kind: `get`, or `mix` for the seed's mix.
    directory: for files of the run; requests: the mix as vegeta reads it."""

    kind: str
    port: int
    seconds: float
    connections: int
    rate: float | None
    directory: Path
    requests: Path | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


Command = Callable[[str, Job], list[str]]


@dataclass(frozen=True, slots=True)
class Tool:
    """binary: a name to look for. closed, paced, mixed: the command of a run, None for what it cannot do. after: makes
    the text that is read, outside of what is counted; None: standard output is. version: arguments that show it."""

    name: str
    binary: str
    version: tuple[str, ...]
    read: Callable[[str], Reading]
    closed: Command | None = None
    paced: Command | None = None
    mixed: Command | None = None
    after: Command | None = None

    def find(self) -> str | None:
        """Its path; None when it is not installed."""
        if self.name == OURS:
            return sys.executable
        return shutil.which(self.binary, path=PEERS / "bin") or shutil.which(self.binary)

    def command(self, path: str, job: Job) -> list[str] | None:
        """None for a job that it cannot do."""
        how = self.closed if job.rate is None else self.mixed if job.kind == "mix" else self.paced
        return how(path, job) if how else None

    def shown_version(self, path: str) -> str:
        """The line in which it names its version."""
        done = subprocess.run([path, *self.version], capture_output=True, text=True, check=False, timeout=60)
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if any(map(str.isdigit, line))]
        return lines[0] if lines else "unknown"


def _s(seconds: float) -> str:
    return f"{seconds:g}s"


def _each(job: Job) -> str:
    """Their share of the rate, for tools that pace every connection by itself."""
    assert job.rate is not None
    return f"{job.rate / job.connections:g}"


def _ours(path: str, job: Job) -> list[str]:
    rate = [] if job.rate is None else ["--rate", f"{job.rate:g}"]
    return [
        path, "-m", "benchmarks.speed.ours", "--kind", job.kind, "--port", str(job.port), *rate,
        "--seconds", f"{job.seconds:g}", "--connections", str(job.connections),
    ]  # fmt: skip


def _wrk(path: str, job: Job) -> list[str]:
    return [path, "-t1", f"-c{job.connections}", f"-d{_s(job.seconds)}", "--latency", job.url]


def _h2load(path: str, job: Job) -> list[str]:
    rate = [] if job.rate is None else ["--rps", _each(job)]
    return [path, "--h1", "-t1", f"-c{job.connections}", "-D", f"{job.seconds:g}", *rate, job.url]


def _oha(path: str, job: Job) -> list[str]:
    rate = [] if job.rate is None else ["-q", f"{job.rate:g}", "--latency-correction"]
    common = ["--no-tui", "--output-format", "json", "-z", _s(job.seconds), "-c", str(job.connections)]
    return [path, *common, *rate, job.url]


def _vegeta(path: str, job: Job) -> list[str]:
    """Its results go to a file; the report is made afterwards and not counted."""
    workers = str(job.connections)
    rate = ["-rate", "0", "-max-workers", workers] if job.rate is None else ["-rate", f"{job.rate:g}"]
    targets = job.directory / "vegeta.targets"
    targets.write_text(f"GET {job.url}\n")
    if job.requests is not None:
        targets, rate = job.requests, [*rate, "-format", "json"]
    return [
        path, "attack", "-targets", str(targets), "-duration", _s(job.seconds), "-workers", workers,
        "-connections", workers, *rate, "-output", str(job.directory / "vegeta.bin"),
    ]  # fmt: skip


def _vegeta_report(path: str, job: Job) -> list[str]:
    return [path, "report", "-type", "json", str(job.directory / "vegeta.bin")]


def _hey(path: str, job: Job) -> list[str]:
    rate = [] if job.rate is None else ["-q", _each(job)]
    return [path, "-z", _s(job.seconds), "-c", str(job.connections), *rate, job.url]


def _locust(path: str, job: Job) -> list[str]:
    return [
        path, "-f", str(HERE / "locustfile.py"), "--headless", "--only-summary", "--loglevel", "ERROR",
        "-u", str(job.connections), "-r", str(job.connections), "-t", f"{round(job.seconds) + 1}s",
        "--stop-timeout", "1", "--host", job.url.rstrip("/"),
    ]  # fmt: skip


def _aiohttp(path: str, job: Job) -> list[str]:
    return [
        path, str(HERE / "aiohttp_client.py"), job.url, "--seconds", f"{job.seconds:g}",
        "--connections", str(job.connections),
    ]  # fmt: skip


def _floor(path: str, job: Job) -> list[str]:
    rate = [] if job.rate is None else [f"{job.rate:g}"]
    return [path, str(job.port), f"{job.seconds:g}", str(job.connections), *rate]


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(OURS, "python", ("-m", "perfgate", "--version"), read_own, _ours, _ours, _ours),
        Tool(FLOOR, "floor", ("--version",), read_own, _floor, _floor),
        Tool("wrk", "wrk", ("-v",), read_wrk, closed=_wrk),
        Tool("h2load", "h2load", ("--version",), read_h2load, closed=_h2load, paced=_h2load),
        Tool("oha", "oha", ("--version",), read_oha, closed=_oha, paced=_oha),
        Tool("vegeta", "vegeta", ("-version",), read_vegeta, _vegeta, _vegeta, _vegeta, after=_vegeta_report),
        Tool("hey", "hey", ("-h",), read_hey, closed=_hey, paced=_hey),
        Tool("Locust", "locust", ("--version",), read_own, closed=_locust),
        Tool("aiohttp", "peers-python", ("-c", "import aiohttp; print(aiohttp.__version__)"), read_own, _aiohttp),
    )
}
