"""One exchange of bytes outside the hot path, from those that an adapter made."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from perfgate.address import Address
from perfgate.errors import TargetError
from perfgate_agent.connection import Reader
from perfgate_agent.content import BadContent
from perfgate_agent.reply import plain
from perfgate_agent.reply_reader import ReplyReader, Step
from perfgate_agent.tls import client_context, distrust

PIECE = 64 * 1024


async def exchange(
    address: Address, request: bytes, timeout_s: float, new_reader: Callable[[], Reader] = ReplyReader
) -> tuple[int, bytes]:
    """Send one request on a connection of its own; returns (status, decoded body). new_reader: of the protocol's replies.

    Raises TargetError for a TLS handshake that fails, which trying again does not mend; OSError (incl. TimeoutError)
    when nobody answers; ValueError for what is no reply of the protocol.
    """
    async with asyncio.timeout(timeout_s):
        reader, writer = await _connect(address)
        try:
            writer.write(request)
            return await _reply(reader, new_reader())
        finally:
            writer.close()


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.path:
        return await asyncio.open_unix_connection(address.path)
    context = client_context(address)
    try:
        return await asyncio.open_connection(
            address.host, address.port, ssl=context, server_hostname=address.certificate_name if context else None
        )
    except ssl.SSLError as error:
        raise TargetError(distrust(address, error)) from error


async def _reply(reader: asyncio.StreamReader, reply: Reader) -> tuple[int, bytes]:
    while True:
        data = await reader.read(PIECE)
        step = reply.feed(data) if data else reply.end()
        if step is Step.DONE:
            return _content(reply)
        if step is Step.BROKEN:
            if not data:
                raise ConnectionResetError(f"{reply.outcome.label}: {reply.example}")
            raise ValueError(f"no reply of the protocol: {reply.outcome.label}: {reply.example}")
        if not data:
            raise ConnectionResetError("connection closed before the first byte of the reply")


def _content(reply: Reader) -> tuple[int, bytes]:
    status = reply.status
    try:
        return status, plain(reply.take())
    except BadContent as error:
        raise ValueError(f"status {status}: {error}") from error
