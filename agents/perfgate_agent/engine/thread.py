"""The thread that the engine runs in: alive from before it starts until after it has been metered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


class EngineThread:
    """Made and asked by the event loop's thread. `run` is called after `go`; `native_id` is known at once."""

    def __init__(self, run: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._go, self._leave = threading.Event(), threading.Event()
        self._ended = asyncio.Event()
        self._run = run
        self._thread = threading.Thread(target=self._main, name="engine", daemon=True)
        self._thread.start()  # returns once its id is known

    @property
    def native_id(self) -> int:
        return self._thread.native_id or 0

    def go(self) -> None:
        """Let it run."""
        self._go.set()

    async def ended_within(self, seconds: float) -> bool:
        """Whether it has ended, after at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def join(self) -> None:
        """Wait for its end; `run` must be about to return."""
        self._go.set()
        self._leave.set()
        self._thread.join()

    def _main(self) -> None:
        self._go.wait()
        self._run()
        self._loop.call_soon_threadsafe(self._ended.set)
        self._leave.wait()
