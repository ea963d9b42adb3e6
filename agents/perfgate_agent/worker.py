"""The agent's end of a worker process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from perfgate.errors import MeasurementError
from perfgate_agent.messages import (
    Failed,
    Message,
    Permit,
    Prepare,
    Ready,
    StartAt,
    Stop,
    TakeLanes,
    frame,
    read_message,
)

SPAWN = Path(__file__).with_name("spawn.py")
PRIORITY = "realtime"
"""A generator that waits for a processor measures its own waiting, and nice values do not spare it the rest of another
process's time slice (some ms). Only tried: without the privilege the worker is an ordinary process."""


class WorkerHandle:
    """Made by `spawn`. The process dies with the agent, and the agent hears of its death."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.name = name
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def spawn(cls, name: str, cpus: tuple[int, ...]) -> WorkerHandle:
        """Start a worker, pinned to `cpus` unless that is empty."""
        ours, theirs = socket.socketpair()
        pinned = ",".join(map(str, cpus)) or "-"
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(SPAWN), str(os.getpid()), pinned, PRIORITY,
                sys.executable, "-P", "-m", "perfgate_agent.worker_process", str(theirs.fileno()), name,
                pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
            )  # fmt: skip
        reader, writer = await asyncio.open_connection(sock=ours, limit=64 * 1024 * 1024)
        return cls(name, process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def prepare(self, order: Prepare) -> None:
        """Raises MeasurementError when the worker cannot."""
        self._say(order)
        answer = await read_message(self._reader)
        while answer is not None and not isinstance(answer, Ready | Failed):
            answer = await read_message(self._reader)  # what is left of a run that was given up
        if not isinstance(answer, Ready):
            reason = answer.text if isinstance(answer, Failed) else "it ended"
            raise MeasurementError(f"worker {self.name} could not prepare the load: {reason}")

    def start_at(self, monotonic_ns: int, permit_ns: int | None = None) -> None:
        """monotonic_ns: this machine's clock at which the run's clock is 0. permit_ns: as `permit`; None for no end."""
        self._say(StartAt(monotonic_ns, permit_ns))

    def permit(self, until_ns: int) -> None:
        """until_ns: of the run's clock; what is due from then on waits for a later permit."""
        self._say(Permit(until_ns))

    def take_lanes(self, lanes: tuple[int, ...], from_ns: int) -> None:
        """It answers with LanesTaken among its messages."""
        self._say(TakeLanes(lanes, from_ns))

    def stop(self) -> None:
        """Asks for an early end of the load; what was measured still comes, then Finished."""
        self._say(Stop())

    async def messages(self) -> AsyncIterator[Message]:
        """What it says, until it ends."""
        while (message := await read_message(self._reader)) is not None:
            yield message

    async def kill(self) -> None:
        """At once."""
        self._writer.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def _say(self, message: Message) -> None:
        self._writer.write(frame(message))
