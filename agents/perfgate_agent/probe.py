"""One HTTP exchange outside the hot path, from bytes that an adapter made."""

from __future__ import annotations

import asyncio

MAX_HEAD = 64 * 1024
MAX_BODY = 8 * 1024 * 1024


async def exchange(host: str, port: int, request: bytes, timeout_s: float) -> tuple[int, bytes]:
    """Send one request on a connection of its own; returns (status, body).

    Raises OSError (incl. TimeoutError) when nobody answers and ValueError for what is no HTTP reply.
    """
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(host, port, limit=MAX_HEAD)
        try:
            writer.write(request)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                raise ConnectionResetError("connection closed before a reply") from error
            except asyncio.LimitOverrunError as error:
                raise ValueError("reply without an end of its head") from error
            return _status(head), await _body(reader, head)
        finally:
            writer.close()


def _status(head: bytes) -> int:
    parts = head.split(b" ", 2)
    if not head.startswith(b"HTTP/1.") or len(parts) < 2 or not parts[1][:3].isdigit():
        raise ValueError(f"not an HTTP reply: {head[:60]!r}")
    return int(parts[1][:3])


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
            if not 0 <= length <= MAX_BODY:
                raise ValueError(f"Content-Length {length} is out of bounds (0 to {MAX_BODY})")
            try:
                return await reader.readexactly(length)
            except asyncio.IncompleteReadError as error:
                raise ConnectionResetError("connection closed inside a reply") from error
        if name.strip().lower() == b"transfer-encoding":
            return await _chunks(reader)
    return b""


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts, total = [], 0
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        total += size
        if total > MAX_BODY:
            raise ValueError(f"reply larger than {MAX_BODY} bytes")
        parts.append((await reader.readexactly(size + 2))[:-2])
        if size == 0:
            return b"".join(parts)
