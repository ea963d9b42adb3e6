"""What stands before a store that itself speaks plain TCP only: TLS, or a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from perfgate.address import Address


@contextlib.asynccontextmanager
async def relayed(
    port: int, path: Path | None = None, tls: ssl.SSLContext | None = None, listen: int = 0
) -> AsyncIterator[Address]:
    """Passes every connection on to the store at `port` of this machine; yields where it listens itself: on a Unix socket
    or a port (0: any)."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_join(reader, writer, port))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    if path is not None:
        server, address = await asyncio.start_unix_server(accept, path), Address.unix(str(path))
    else:
        server = await asyncio.start_server(accept, "127.0.0.1", listen, ssl=tls)
        address = Address("127.0.0.1", server.sockets[0].getsockname()[1], tls=tls is not None)
    try:
        yield address
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    store_reader, store_writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pass(reader, store_writer), _pass(store_reader, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(256 * 1024):
            writer.write(data)
            await writer.drain()
    writer.close()
