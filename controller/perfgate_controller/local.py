"""Agents of the controller's own, on this machine, for as long as the controller needs them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import perfgate_agent.spawn as spawn

from perfgate.errors import FleetError

READY = "perfgate agent ready on "
READY_S = 30.0
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class LocalAgents:
    """How many agents of how many workers to start, and what they may start themselves."""

    agents: int
    workers: int
    target_files: tuple[Path, ...]
    cache_dir: Path
    work_dir: Path


@contextlib.asynccontextmanager
async def local_agents(wanted: LocalAgents, log_dir: Path) -> AsyncIterator[list[str]]:
    """Starts them and yields their addresses; ends them, and all they started, afterwards. Their logs go to
    log_dir/agent-N.log. Raises FleetError when one does not come up."""
    processes: list[asyncio.subprocess.Process] = []
    try:
        logs = [log_dir / f"agent-{number + 1}.log" for number in range(wanted.agents)]
        for number, log in enumerate(logs):
            processes.append(await _start(wanted, number, log))
        yield [await _address(process, log) for process, log in zip(processes, logs, strict=True)]
    finally:
        await asyncio.shield(asyncio.gather(*(_stop(process) for process in processes)))


async def _start(wanted: LocalAgents, number: int, log: Path) -> asyncio.subprocess.Process:
    arguments = ["--name", f"local-{number + 1}", "--port", "0", "--workers", str(wanted.workers)]
    arguments += ["--cache-dir", str(wanted.cache_dir), "--work-dir", str(wanted.work_dir)]
    for path in wanted.target_files:
        arguments += ["--target", str(path)]
    wrapper: Sequence[str] = (sys.executable, "-I", "-S", spawn.__file__, str(os.getpid()), "-", "normal")
    with log.open("wb") as errors:
        return await asyncio.create_subprocess_exec(
            *wrapper, sys.executable, "-P", "-m", "perfgate_agent", *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=errors,
            start_new_session=True,  # Ctrl-C is the controller's to handle
            env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        )  # fmt: skip


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            while line := (await process.stdout.readline()).decode():
                if line.startswith(READY):
                    return line.removeprefix(READY).split()[0]
    except TimeoutError:
        pass
    said = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next(filter(None, (line.strip() for line in reversed(said))), "nothing")
    raise FleetError(f"the local agent did not start; the last that it said: {last} (all is in {log})")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # its own children die with it
            await process.wait()
