"""Tools against each other: all of them once a round, in random order, several rounds."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.speed.launch import Ran, ToolError, run
from benchmarks.speed.nginx import Nginx
from benchmarks.speed.reading import Reading, ReadingError
from benchmarks.speed.tools import OURS, ROOT, TOOLS, Job, Tool

GRACE_S = 25.0
"""What starting, stopping and reporting may take beyond the load itself."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one tool: what it said, what it cost, what else went on. details: the rest of what ours says."""

    tool: str
    round: int
    reading: Reading
    cpu_s: float
    other_cores: float
    stolen: float
    command: str
    details: Mapping[str, Any]

    @property
    def per_cpu_s(self) -> float:
        """Good replies for each second of CPU time."""
        return self.reading.completed / self.cpu_s

    @property
    def cpu_us(self) -> float:
        """CPU time for each good reply."""
        return 1e6 * self.cpu_s / self.reading.completed

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"per_cpu_s": self.per_cpu_s, "cpu_us": self.cpu_us, "rate": self.reading.rate}


@dataclass(frozen=True, slots=True)
class Setting:
    """What all runs share. found: the installed tools by name, with their paths. realtime_peers: run the peers with the
    priority that our worker takes for itself."""

    nginx: Nginx
    directory: Path
    found: Mapping[str, str]
    rounds: int
    seconds: float
    connections: int
    draw: random.Random
    realtime_peers: bool = False


def compare(setting: Setting, names: Sequence[str], job: Job) -> list[Run]:
    """A tool whose run fails is named and left out of its round."""
    runs: list[Run] = []
    for number in range(setting.rounds):
        order = [name for name in names if name in setting.found]
        setting.draw.shuffle(order)
        for name in order:
            try:
                done = run_once(setting, TOOLS[name], job, number)
            except (ToolError, ReadingError) as error:
                print(f"  {name}: left out of round {number + 1}: {error}", file=sys.stderr)
                continue
            if done is not None:
                runs.append(done)
                _say(done)
    return runs


def run_once(setting: Setting, tool: Tool, job: Job, number: int) -> Run | None:
    """None for a job that the tool cannot do."""
    path = setting.found[tool.name]
    command = tool.command(path, job)
    if command is None:
        return None
    limit = job.seconds + GRACE_S
    realtime = setting.realtime_peers and tool.name != OURS
    ran = run(command, limit, setting.nginx.cpu_s, realtime=realtime, cwd=ROOT)
    text = ran.stdout if tool.after is None else run(tool.after(path, job), limit).stdout
    reading = tool.read(text)
    if reading.completed == 0:
        raise ReadingError(f"not one good reply: {text[-300:]!r}")
    return _run(tool, number, reading, ran, shown(command, path, tool, job), text)


def _run(tool: Tool, number: int, reading: Reading, ran: Ran, command: str, text: str) -> Run:
    details: dict[str, Any] = {}
    if tool.name == OURS:
        import json

        details = json.loads([line for line in text.splitlines() if line.startswith("{")][-1])
    cpu_s = ran.cpu_s if reading.cpu_s is None else reading.cpu_s
    # Start-up of Python is neither the load's nor anybody else's.
    others = ran.other_cores
    return Run(tool.name, number, replace(reading, cpu_s=None), cpu_s, others, ran.stolen, command, details)


def shown(command: Sequence[str], path: str, tool: Tool, job: Job) -> str:
    """The command as one would type it, without what differs from run to run."""
    words = [tool.binary if word == path else word for word in command]
    text = " ".join(words).replace(str(job.directory), "DIR").replace(str(ROOT) + "/", "")
    return text.replace(str(job.port), "PORT")


def _say(done: Run) -> None:
    reading = done.reading
    tail = f", p99 {reading.p99_ms:.3f} ms" if reading.p99_ms is not None else ""
    print(
        f"  round {done.round + 1} {done.tool:<9} {reading.rate:>9.0f}/s  {done.cpu_us:>7.1f} us CPU a request{tail}"
        + (f"  ({reading.failed} failed)" if reading.failed else "")
        + (f"  [others used {done.other_cores:.2f} cores]" if done.other_cores > 0.1 else ""),
        file=sys.stderr, flush=True,
    )  # fmt: skip
