"""The phases of a run: told to whoever watches, and how long each took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from perfgate.progress import PhaseStarted, Progress


class Phases:
    """`taken`: (name, duration in ns) of each phase that has ended, in order."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._taken: list[tuple[str, int]] = []

    @property
    def taken(self) -> tuple[tuple[str, int], ...]:
        return tuple(self._taken)

    @contextlib.contextmanager
    def phase(self, name: str, detail: str = "") -> Iterator[None]:
        """A phase is recorded however it ends."""
        self._progress.handle(PhaseStarted(name, detail))
        began = time.monotonic_ns()
        try:
            yield
        finally:
            self._taken.append((name, time.monotonic_ns() - began))
