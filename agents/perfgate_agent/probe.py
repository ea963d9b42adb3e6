"""One HTTP exchange outside the hot path, from bytes that an adapter made."""

from __future__ import annotations

import asyncio

from perfgate.address import Address

MAX_HEAD = 64 * 1024
MAX_BODY = 8 * 1024 * 1024


async def exchange(address: Address, request: bytes, timeout_s: float) -> tuple[int, bytes]:
    """Send one request on a connection of its own; returns (status, body).

    Raises OSError (incl. TimeoutError) when nobody answers and ValueError for what is no HTTP reply.
    """
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(address.host, address.port, limit=MAX_HEAD)
        try:
            writer.write(request)
            return await _reply(reader)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("connection closed before the reply was complete") from error
        except asyncio.LimitOverrunError as error:
            raise ValueError("reply without an end of its head") from error
        finally:
            writer.close()


async def _reply(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        status = _status(head)
        if status >= 200:  # otherwise an interim reply; the real one follows
            return status, await _body(reader, status, head)


def _status(head: bytes) -> int:
    parts = head.split(b" ", 2)
    if not head.startswith(b"HTTP/1.") or len(parts) < 2 or not parts[1][:3].isdigit():
        raise ValueError(f"not an HTTP reply: {head[:60]!r}")
    return int(parts[1][:3])


async def _body(reader: asyncio.StreamReader, status: int, head: bytes) -> bytes:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    if status in (204, 304):
        return b""
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        return await _chunks(reader)
    if b"content-length" in headers:
        return await reader.readexactly(_within_bound(int(headers[b"content-length"])))
    body = b""
    while part := await reader.read(MAX_HEAD):  # without a length it lasts until the connection's end
        body += part
        _within_bound(len(body))
    return body


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = _within_bound(int((await reader.readuntil(b"\r\n")).split(b";")[0], 16))
        if size == 0:
            return body
        body += (await reader.readexactly(size + 2))[:-2]
        _within_bound(len(body))


def _within_bound(size: int) -> int:
    if not 0 <= size <= MAX_BODY:
        raise ValueError(f"a reply of {size} bytes is out of bounds (0 to {MAX_BODY})")
    return size
