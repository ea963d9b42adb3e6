"""Tells the progress twice a second what the newest second looks like."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from perfgate.progress import Progress, Tick
from perfgate_controller.collect import Collector

EVERY_S = 0.5


@contextlib.asynccontextmanager
async def ticking(collector: Collector, progress: Progress, duration_ns: int) -> AsyncIterator[None]:
    """Ticks while the block runs; `duration_ns` is how long the load is planned to take."""
    task = asyncio.ensure_future(_tick(collector, progress, duration_ns))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _tick(collector: Collector, progress: Progress, duration_ns: int) -> None:
    began = time.monotonic_ns()
    while True:
        await asyncio.sleep(EVERY_S)
        elapsed = time.monotonic_ns() - began
        latest = collector.latest()
        if latest is None:
            continue
        progress.handle(
            Tick(
                rate=float(latest.completed),
                p99_ns=dict(latest.p99_ns),
                elapsed_ns=elapsed,
                left_ns=max(0, duration_ns - elapsed),
            )
        )
