"""What an adapter and its store speak: HTTP/1.1 and RESP as bytes, or calls of a client that owns its connections."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from perfgate.address import Address

VALUE, ERROR, UNREADY = 200, 500, 503
"""Statuses of a reply in a protocol that has none: a value, an error, and that the store is not ready yet."""


class WireProtocol(StrEnum):
    """How requests and replies are told apart on a connection."""

    HTTP1 = "http1"  # complete HTTP/1.1 requests as bytes
    RESP = "resp"  # one command of the Redis protocol as bytes; a body is one reply as it came, RESP2 or RESP3
    CALLS = "calls"  # no bytes at all: a Call, which a Session of the adapter's own carries out


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a store whose client library owns the connection. name: which statement; arguments: its values."""

    name: str
    arguments: tuple[Any, ...] = ()

    def __str__(self) -> str:
        """For messages: long values are shortened."""
        shown = ", ".join(_short(argument) for argument in self.arguments)
        return f"{self.name}({shown})"


Payload = bytes | Call
"""One request, ready to be sent."""


@runtime_checkable
class Speaking(Protocol):
    """An adapter whose store speaks something else than HTTP/1.1."""

    @property
    def protocol(self) -> WireProtocol:
        """Of every request and every reply."""
        ...


class Session(Protocol):
    """One connection of a store's client; one call at a time."""

    async def call(self, call: Call) -> tuple[int, bytes]:
        """(status, body) of the complete reply: VALUE, or ERROR with the store's own words.

        Raises OSError when the connection broke, ValueError for a reply that the client cannot read.
        """
        ...

    def abort(self) -> None:
        """Close at once, without waiting for anything. A call under way ends soon, with OSError."""
        ...

    @property
    def closed(self) -> bool:
        """It takes no call any more."""
        ...

    def when_closed(self, tell: Callable[[], None]) -> None:
        """`tell` is called once when the connection ends, by whatever cause."""
        ...


@runtime_checkable
class Calling(Protocol):
    """An adapter of WireProtocol.CALLS."""

    async def connect(self, address: Address, tls: ssl.SSLContext | None) -> Session:
        """A new connection with everything ready that calls need. tls: the terms of an address that asks for it. Raises
        OSError when the store does not let it in."""
        ...


def protocol_of(adapter: object) -> WireProtocol:
    """HTTP/1.1, unless the adapter says otherwise."""
    return adapter.protocol if isinstance(adapter, Speaking) else WireProtocol.HTTP1


def _short(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, list | tuple):
        return f"{len(value)} rows"
    text = repr(value)
    return text if len(text) < 60 else text[:60] + "…"
