"""What an agent and its own worker processes say to each other, pickled with its length in front, over a socket pair
that nobody else can reach."""

from __future__ import annotations

import asyncio
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from perfgate.address import Address
from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.plain_state import plain_state
from perfgate.segment import Arm, Segment

LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Prepare:
    """Scenario and target travel as canonical JSON, as over the wire."""

    scenario_json: str
    seed: int
    target_json: str
    cache_dir: str
    lanes: tuple[int, ...]
    addresses: Mapping[Arm, Address]
    segments: tuple[Segment, ...]
    connections: int
    closed_loop: bool = False
    """See part.Part."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Prepared: may be started at any moment."""


@dataclass(frozen=True, slots=True)
class StartAt:
    """permit_ns: see Permit; None: no end."""

    monotonic_ns: int
    permit_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """The start was due, and this is when the worker saw it, on its monotonic clock."""

    monotonic_ns: int


@dataclass(frozen=True, slots=True)
class Permit:
    """What is due from this time of the run's clock on must wait for another one."""

    until_ns: int


@dataclass(frozen=True, slots=True)
class TakeLanes:
    """Send these, too, from a time of the run's clock on."""

    lanes: tuple[int, ...]
    from_ns: int


@dataclass(frozen=True, slots=True)
class LanesTaken:
    """Since when they are really sent."""

    from_ns: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End the running load early."""


@plain_state
@dataclass(frozen=True, slots=True)
class IntervalMessage:
    """From the worker, when an interval has been recorded to its end."""

    interval: Interval


@dataclass(frozen=True, slots=True)
class Finished:
    """The worker's last message of a load; nothing of it comes afterwards."""

    report: LoadReport


@dataclass(frozen=True, slots=True)
class Failed:
    """From the worker, in place of Ready or Finished: why it could not. text: for the user."""

    text: str


Message = (
    Prepare | Ready | StartAt | Began | Permit | TakeLanes | LanesTaken | Stop | IntervalMessage | Finished | Failed
)


def frame(message: Message) -> bytes:
    """One message as bytes."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)) + body


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None when the other side has closed."""
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        message: Message = pickle.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return message
