"""Runs a tool to its end on one core, and tells what it cost and what else the machine did meanwhile."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER_CPU = 0
TOOL_CPU = 1
TICKS = os.sysconf("SC_CLK_TCK")
LAST_OUTPUT = 400


class ToolError(Exception):
    """A tool failed, or took too long."""


@dataclass(frozen=True, slots=True)
class Ran:
    """stdout: what it said. cpu_s: of the tool and all its children, start-up included (wait4). wall_s. other_cores:
    processors that something else than the tool and the server used, on average. stolen: share of all CPU time that
    the hypervisor took away."""

    stdout: str
    cpu_s: float
    wall_s: float
    other_cores: float
    stolen: float


def pinned(command: Sequence[str], cpu: int, realtime: bool = False) -> list[str]:
    """The command on one core, and ended when its parent is."""
    ahead = ["chrt", "-f", "1"] if realtime else []
    return ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", str(cpu), *ahead, *command]


def run(
    command: Sequence[str], timeout_s: float, server_cpu_s: Callable[[], float] = lambda: 0.0, cpu: int = TOOL_CPU,
    realtime: bool = False, environment: Mapping[str, str] | None = None, cwd: Path | None = None,
) -> Ran:  # fmt: skip
    """Raises ToolError when it fails or takes longer than `timeout_s`; it is killed then, with all that it started."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        machine, server, began = _machine_ticks(), server_cpu_s(), time.monotonic()
        process = subprocess.Popen(
            pinned(command, cpu, realtime), stdin=subprocess.DEVNULL, stdout=out, stderr=errors, cwd=cwd,
            start_new_session=True, env=None if environment is None else {**os.environ, **environment},
        )  # fmt: skip
        try:
            status, cpu_s = _wait(process, timeout_s)
        except BaseException:
            _kill(process)
            raise
        wall = time.monotonic() - began
        after = _machine_ticks()
        out.seek(0)
        errors.seek(0)
        text, said = out.read().decode(errors="replace"), errors.read().decode(errors="replace")
    if status is None:
        raise ToolError(f"{' '.join(command)} did not end within {timeout_s:g} s")
    if status:
        raise ToolError(f"{' '.join(command)} ended with {status}: {(said or text)[-LAST_OUTPUT:].strip()}")
    busy, stolen, total = (new - old for new, old in zip(after, machine, strict=True))
    others = busy / TICKS - cpu_s - (server_cpu_s() - server)
    return Ran(text, cpu_s, wall, max(0.0, others / wall), stolen / total if total else 0.0)


def process_cpu_s(pid: int) -> float:
    """CPU time of one process so far, in ticks of 10 ms; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[int | None, float]:
    """(exit status, CPU time of the whole tree); the status is None when time was up and the tree was killed."""
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        ended = bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(descriptor)
    if not ended:
        _signal(process)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode if ended else None, usage.ru_utime + usage.ru_stime


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        _signal(process)
        process.wait()


def _signal(process: subprocess.Popen[bytes]) -> None:
    """The session that it leads holds all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _machine_ticks() -> tuple[int, int, int]:
    """(busy, stolen, all) ticks of all processors since boot."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, idle, waiting, interrupts, soft, stolen = fields
    return user + nice + system + interrupts + soft, stolen, sum(fields) or idle + waiting
