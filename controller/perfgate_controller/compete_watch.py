"""What a store holds resident while it is measured, and what else used the processors: read from /proc, so on this machine
alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from perfgate_agent.ports import descendants

EVERY_S = 0.5
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Watch:
    """peak_bytes: the most that the process and all below it held resident together; None where it could not be read.
    other: processors that others than perfgate and its stores used on average; None likewise."""

    peak_bytes: int | None = None
    other: float | None = None


@contextlib.asynccontextmanager
async def watching(pid: int) -> AsyncIterator[Watch]:
    """Looks while the block runs."""
    watch = Watch()
    loop = asyncio.get_running_loop()
    began, busy, own = loop.time(), _busy_ticks(), _tree_ticks(os.getpid())
    task = asyncio.ensure_future(_look(watch, pid))
    try:
        yield watch
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        seconds = loop.time() - began
        if busy is not None and seconds > 0:
            others = (_busy_ticks() or 0) - busy - (_tree_ticks(os.getpid()) - own)
            watch.other = max(0.0, others / TICKS / seconds)


async def _look(watch: Watch, pid: int) -> None:
    while True:
        if (held := resident_bytes(pid)) is not None:
            watch.peak_bytes = max(watch.peak_bytes or 0, held)
        await asyncio.sleep(EVERY_S)


def resident_bytes(pid: int) -> int | None:
    """Of the process and all below it; what they share is counted for each. None where there is none of them."""
    sizes = [int(text.split()[1]) * PAGE for one in descendants(pid) if (text := _read(f"/proc/{one}/statm"))]
    return sum(sizes) if sizes else None


def _tree_ticks(pid: int) -> int:
    total = 0
    for one in descendants(pid):
        fields = _read(f"/proc/{one}/stat").rpartition(")")[2].split()
        total += sum(map(int, fields[11:13])) if len(fields) > 12 else 0
    return total


def _busy_ticks() -> int | None:
    """User, nice, system and interrupts of all processors; None where /proc does not say."""
    fields = _read("/proc/stat").partition("\n")[0].split()[1:]
    return sum(int(fields[place]) for place in (0, 1, 2, 5, 6)) if len(fields) > 6 else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
