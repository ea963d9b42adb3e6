"""Listens to a host at rest: what interrupts a processor that nobody but the probe uses."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from perfgate.doctor.child import probe_noise
from perfgate.doctor.interruptions import Interruptions, Window
from perfgate.doctor.other_work import Culprit, culprits, read_processes
from perfgate.doctor.tree import Tree
from perfgate.progress import PhaseProgress, PhaseStarted, Progress

PHASE = "noise"
TELL_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Stillness:
    """noise: of each processor listened to. culprits: what else used processors."""

    noise: tuple[Interruptions, ...]
    culprits: tuple[Culprit, ...]

    @property
    def realtime(self) -> bool | None:
        """Whether SCHED_FIFO was granted to a process that asked."""
        known = [one.realtime for one in self.noise if one.realtime is not None]
        return all(known) if known else None


async def listen(tree: Tree, cpus: Sequence[int | None], seconds: float, progress: Progress) -> Stillness:
    """All processors at once. What perfgate itself does meanwhile (a line of progress a second) is left out."""
    places = ", ".join("any" if cpu is None else str(cpu) for cpu in cpus)
    progress.handle(PhaseStarted(PHASE, f"listening to processor {places}"))
    before, began = read_processes(tree), time.monotonic()
    own: list[Window] = []
    telling = asyncio.ensure_future(_tell(seconds, progress, own))
    try:
        heard = await asyncio.gather(*(probe_noise(seconds, cpu) for cpu in cpus))
    finally:
        telling.cancel()
    guilty = culprits(before, read_processes(tree), time.monotonic() - began, {os.getpid()})
    return Stillness(tuple(one.without(own) for one in heard), guilty)


async def _tell(seconds: float, progress: Progress, own: list[Window]) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(TELL_EVERY_S)
        start = time.monotonic_ns()
        progress.handle(PhaseProgress(PHASE, min(1.0, (time.monotonic() - began) / seconds)))
        own.append((start, time.monotonic_ns()))
