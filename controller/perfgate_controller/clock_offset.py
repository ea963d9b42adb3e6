"""How far an agent's monotonic clock is from the controller's, and how well that is known."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from perfgate.wire.v1 import wire_pb2 as pb

PROBES = 9


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """offset_ns: the agent's monotonic clock minus the controller's; off by bound_ns at most, half of the shortest round
    trip (Cristian 1989). wall_ns: the same for the clocks that show the time of day, which nothing is timed by."""

    offset_ns: int = 0
    bound_ns: int = 0
    wall_ns: int = 0


async def measure_offset(read: Callable[[], Awaitable[pb.ClockReading]], probes: int = PROBES) -> ClockOffset:
    """From the quickest of several exchanges: whatever delays one of them in one direction alone makes it longer."""
    best: tuple[int, ClockOffset] | None = None
    for _ in range(probes):
        wall, before = time.time_ns(), time.monotonic_ns()
        reading = await read()
        trip = time.monotonic_ns() - before
        if best is None or trip < best[0]:
            middle = before + trip // 2
            wall_offset = reading.wall_ns - (wall + trip // 2)
            best = trip, ClockOffset(reading.monotonic_ns - middle, -(-trip // 2), wall_offset)
    assert best is not None, "at least one exchange is made"
    return best[1]
