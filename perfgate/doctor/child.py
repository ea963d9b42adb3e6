"""Helper processes of the doctor: pinned, tied to its life, ended when their block ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import perfgate_agent.spawn as spawn

from perfgate.doctor.echo import READY
from perfgate.doctor.interruptions import Interruptions, parse_probe
from perfgate.errors import MeasurementError

PROBE = Path(__file__).with_name("still_probe.py")
STORE_PRIORITY = "-5"
"""As an agent starts stores."""
START_S = 20.0
LATE_S = 30.0
"""More than a probe is late by on a host that hardly gives it a processor."""


async def probe_noise(seconds: float, cpu: int | None) -> Interruptions:
    """Listen on one processor (None: wherever the scheduler puts it). Raises MeasurementError."""
    command = [sys.executable, "-I", "-S", str(PROBE), str(seconds)]
    async with _child(command, () if cpu is None else (cpu,), "normal") as process:
        try:
            async with asyncio.timeout(seconds + LATE_S):
                output, _ = await process.communicate()
        except TimeoutError as error:
            raise MeasurementError(f"the noise probe on processor {cpu} did not end in time") from error
    if process.returncode:
        raise MeasurementError(f"the noise probe on processor {cpu} ended with status {process.returncode}")
    return parse_probe(output, cpu)


@contextlib.asynccontextmanager
async def echo_server(cpus: Sequence[int]) -> AsyncIterator[int]:
    """Yields the port. Raises MeasurementError when it does not start."""
    command = [sys.executable, "-P", "-m", "perfgate.doctor.echo"]
    async with _child(command, cpus, STORE_PRIORITY) as process:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                line = (await process.stdout.readline()).decode()
        except TimeoutError:
            line = ""
        if not line.startswith(READY):
            raise MeasurementError(f"the echo server did not start (status {process.returncode})")
        yield int(line.removeprefix(READY))


@contextlib.asynccontextmanager
async def _child(command: list[str], cpus: Sequence[int], priority: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pinned = ",".join(map(str, cpus)) or "-"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", spawn.__file__, str(os.getpid()), pinned, priority, *command,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is the doctor's to handle
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
