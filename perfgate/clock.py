"""The seam to time, so that tests can hold it still."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Reads in integer nanoseconds."""

    def monotonic_ns(self) -> int:
        """Never goes back; its zero means nothing; the same for all processes of one host."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC; may be stepped."""
        ...


class SystemClock:
    """CLOCK_MONOTONIC and CLOCK_REALTIME."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        return time.time_ns()
