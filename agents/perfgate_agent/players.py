"""Which of the two drivers plays a part: the engine in C, or the portable one over asyncio."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Protocol

from perfgate.errors import MeasurementError
from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.targets.protocol import WireProtocol, protocol_of
from perfgate_agent.engine.library import library
from perfgate_agent.native_player import NativePlayer
from perfgate_agent.part import Part
from perfgate_agent.player import Player

VARIABLE = "PERFGATE_DRIVER"
"""`engine` or `portable` in the agent's environment chooses; otherwise the engine where it can do it."""


class AnyPlayer(Protocol):
    """What both drivers can do."""

    async def open(self) -> None:
        """Everything that can be done before the start."""
        ...

    async def play(self, start_ns: int) -> LoadReport:
        """Start at `start_ns` of the monotonic clock, and return when every request has ended."""
        ...

    def stop(self) -> None:
        """End early."""
        ...

    def permit(self, until_ns: int) -> None:
        """Send nothing that is due from this time of the run's clock on, until another permit comes. May come before the
        start; without any, there is no end."""
        ...

    def take_lanes(self, lanes: Sequence[int], from_ns: int) -> int:
        """Send these lanes, too, from a time of the run's clock on. Returns since when, which may be later."""
        ...


def make_player(part: Part, emit: Callable[[Interval], None]) -> AnyPlayer:
    """Raises MeasurementError when the driver that was asked for cannot play this part."""
    asked = os.environ.get(VARIABLE, "")
    if asked not in ("", "engine", "portable"):
        raise MeasurementError(f"{VARIABLE} = {asked!r} must be engine or portable, or not be set")
    loaded = library()
    why_not = (
        "the engine is not compiled: python -m perfgate_agent.engine.compile"
        if loaded is None
        else "calls of a client library are not its own to make"
        if any(protocol_of(adapter) is WireProtocol.CALLS for adapter in part.adapters.values())
        else "it does not speak TLS"
        if any(address.tls for address in part.addresses.values())
        else ""
    )
    if loaded is not None and not why_not and asked != "portable":
        return NativePlayer(part, emit, loaded)
    if asked == "engine" or part.closed_loop:
        raise MeasurementError(f"the engine cannot play this load: {why_not or 'PERFGATE_DRIVER = portable'}")
    return Player(part, emit)
