"""A raw server on loopback or a Unix socket that behaves as badly as a test wants it to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from perfgate.address import Address

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class FaultServer:
    """Calls `answer(self, request, writer)` for each complete request, given as head and body together. path: of a Unix
    socket instead of a port; tls: the server's side of it; split: tells requests apart (HTTP's)."""

    def __init__(
        self, answer: Answer, path: Path | None = None, tls: ssl.SSLContext | None = None, split: Split | None = None
    ) -> None:
        self._answer = answer
        self._split = split or _requests
        self._path = path
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    @property
    def address(self) -> Address:
        if self._path is not None:
            return Address.unix(str(self._path))
        return Address("127.0.0.1", self.port, tls=self._tls is not None)

    async def __aenter__(self) -> FaultServer:
        if self._path is not None:
            self._server = await asyncio.start_unix_server(self._accept, self._path)
            return self
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """Stop listening and drop every connection."""
        assert self._server is not None
        self._server.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            async for request in self._split(reader):
                self.requests.append(request)
                await self._answer(self, request, writer)
        self._writers.discard(writer)
        writer.transport.abort()


Answer = Callable[[FaultServer, bytes, asyncio.StreamWriter], Awaitable[None]]
Split = Callable[[asyncio.StreamReader], AsyncIterator[bytes]]


async def _requests(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
        yield head + await reader.readexactly(length)


def always(*parts: bytes, close: bool = False) -> Answer:
    """Answer each request with these bytes, piece by piece; then close the connection, where asked to."""

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0)
        if close:
            writer.close()

    return answer


async def silent(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
    """Read requests, answer none."""


def endless(start: bytes, part: bytes, every_s: float = 0.0) -> Answer:
    """Answer with `start`, and then with `part` again and again for as long as somebody listens."""

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(every_s)

    return answer


def reset(*parts: bytes) -> Answer:
    """Send these bytes, wait until they have arrived, then reset the connection (RST instead of FIN)."""

    async def answer(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.005)
        endpoint: socket.socket = writer.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return answer


async def with_the_end(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
    """A good reply and the connection's end in one segment, 5 ms after the request: a request that waits for the
    connection goes out on one that has been closed."""
    await asyncio.sleep(0.005)
    endpoint: socket.socket = writer.get_extra_info("socket")
    endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    writer.write(OK)
    writer.transport.abort()
