"""The least that an HTTP server can do: what is measured against it is the host and the generator, not a store.

`python -m perfgate.doctor.echo`: listens on a free loopback port, prints `ready PORT`, serves until it is killed. Answers
every request of a keep-alive connection with the same few bytes: to a POST as stored, to anything else as found.
"""

from __future__ import annotations

import asyncio
import gc
import re
import socket
from typing import cast

import uvloop

READY = "ready "
BODY = b'{"memory_id":"echo","memories":{"vivid":[{"id":"n0"}]}}'
STORED = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
FOUND = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,9})\r\n", re.IGNORECASE)


class Echo(asyncio.Protocol):
    """One connection. Requests may come in pieces, or several at once."""

    __slots__ = ("_rest", "_transport")

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        rest = self._rest + data if self._rest else data
        while (size := request_size(rest)) and size <= len(rest):
            self._transport.write(STORED if rest.startswith(b"POST ") else FOUND)
            rest = rest[size:]
        self._rest = rest


def request_size(data: bytes) -> int:
    """Bytes of the first request in `data`, 0 while its head is not complete."""
    head = data.find(END)
    if head < 0:
        return 0
    length = LENGTH.search(data, 0, head + len(END)) if data.startswith(b"POST ") else None
    return head + len(END) + (int(length[1]) if length else 0)


async def serve() -> None:
    """On a free port of loopback, which it prints after READY; until it is killed, without garbage collections."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=4096)
    gc.collect()
    gc.freeze()
    gc.disable()
    print(f"{READY}{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
