"""Progress that costs next to nothing: what it used itself would be measured as noise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from perfgate.progress import Event, Note, PhaseProgress, PhaseStarted, Progress
from perfgate.report.live import PlainProgress
from perfgate.units import NS_PER_S

BAR_WIDTH = 30
ERASE = "\r\x1b[K"


@contextmanager
def make_meter(stream: TextIO) -> Iterator[Progress]:
    """A line that is written over on a terminal, lines as in a log elsewhere; the screen is left clean."""
    if not stream.isatty():
        yield PlainProgress(stream)
        return
    try:
        yield Meter(stream)
    finally:
        stream.write(ERASE)
        stream.flush()


class Meter:
    """One line, one write an event. rich's live view would draw four times a second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._phase = PhaseStarted("starting")
        self._began_ns = time.monotonic_ns()

    def handle(self, event: Event) -> None:
        match event:
            case PhaseStarted():
                self._phase = event
                self._write("")
            case PhaseProgress(_, fraction, _):
                full = round(min(1.0, max(0.0, fraction)) * BAR_WIDTH)
                self._write(f"  {'━' * full}{'·' * (BAR_WIDTH - full)}")
            case Note(text):
                self._stream.write(f"{ERASE}{text}\n")

    def _write(self, bar: str) -> None:
        elapsed = (time.monotonic_ns() - self._began_ns) // NS_PER_S
        self._stream.write(f"{ERASE}{elapsed:3d} s  {self._phase.name}: {self._phase.detail}{bar}")
        self._stream.flush()
