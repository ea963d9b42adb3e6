"""Opens connections for a pool, in the protocol that an adapter speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from perfgate.address import Address
from perfgate.targets.protocol import Calling, WireProtocol, protocol_of
from perfgate_agent.call_connection import CallConnection
from perfgate_agent.connection import Connection, Reader
from perfgate_agent.exchange import Exchange
from perfgate_agent.reply_reader import ReplyReader
from perfgate_agent.resp_reader import RespReader
from perfgate_agent.socket_address import unix_socket
from perfgate_agent.tls import client_context

if TYPE_CHECKING:
    from perfgate_agent.pool import Pool


class AnyConnection(Protocol):
    """What a pool needs of a connection. exchange: the one under way; None: idle."""

    exchange: Exchange | None
    closed: bool

    def send(self, exchange: Exchange) -> None:
        """The connection must be idle."""
        ...

    def abort(self) -> None:
        """Close at once, without waiting for anything."""
        ...


Dial = Callable[["Pool"], Awaitable[AnyConnection]]
"""A new connection that belongs to the pool. Raises OSError."""


def reader_of(adapter: object) -> Callable[[], Reader]:
    """Makes what tells replies apart in the bytes of a connection."""
    return RespReader if protocol_of(adapter) is WireProtocol.RESP else ReplyReader


def dialer(adapter: object, address: Address) -> Dial:
    """Raises InputError for authorities of TLS that cannot be read."""
    if protocol_of(adapter) is WireProtocol.CALLS:
        assert isinstance(adapter, Calling)
        return _calls(adapter, address)
    return _streams(address, reader_of(adapter))


def _streams(address: Address, reader: Callable[[], Reader]) -> Dial:
    """Of bytes; with TLS, the handshake included."""
    context = client_context(address)

    async def dial(pool: Pool) -> AnyConnection:
        loop = asyncio.get_running_loop()
        if address.path:
            endpoint = unix_socket(address.path)
            return (await loop.create_unix_connection(lambda: Connection(pool, reader()), sock=endpoint))[1]
        name = address.certificate_name if context else None
        return (
            await loop.create_connection(
                lambda: Connection(pool, reader()), address.host, address.port, ssl=context, server_hostname=name
            )
        )[1]

    return dial


def _calls(adapter: Calling, address: Address) -> Dial:
    context = client_context(address)

    async def dial(pool: Pool) -> AnyConnection:
        return CallConnection(pool, await adapter.connect(address, context))

    return dial
