"""An address as the system's calls take it: the bytes of a sockaddr."""

from __future__ import annotations

import contextlib
import socket
import struct

from perfgate.address import Address

TRY_S = 1.0


def socket_address(address: Address) -> bytes:
    """Of a Unix socket or of TCP. A name that stands for several addresses is tried; the first that answers is taken, or the
    first of all. Raises OSError for a name that nobody knows."""
    if address.path:
        return struct.pack("=H", socket.AF_UNIX) + address.path.encode() + b"\0"
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    known = [(family, where) for family, _, _, _, where in found if family in (socket.AF_INET, socket.AF_INET6)]
    if len(known) > 1:
        known = [one for one in known if _answers(*one)] or known
    return _packed(*known[0])


def unix_socket(path: str) -> socket.socket:
    """Connected, without waiting. Raises OSError: BlockingIOError where the store's listen queue is full, which asyncio
    would take for a connection under way."""
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        endpoint.connect(path)
    except BaseException:
        endpoint.close()
        raise
    return endpoint


def _answers(family: int, where: tuple[object, ...]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as trial, contextlib.suppress(OSError):
        trial.settimeout(TRY_S)
        trial.connect(where)
        return True
    return False


def _packed(family: int, where: tuple[object, ...]) -> bytes:
    """sockaddr_in of ip(7), sockaddr_in6 of ipv6(7)."""
    host, port = str(where[0]), int(str(where[1]))
    start = struct.pack("=H", family) + struct.pack("!H", port)
    if family == socket.AF_INET:
        return start + socket.inet_pton(family, host) + bytes(8)
    flow, scope = int(str(where[2])), int(str(where[3]))
    return start + struct.pack("!I", flow) + socket.inet_pton(family, host.partition("%")[0]) + struct.pack("=I", scope)
