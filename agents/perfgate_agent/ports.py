"""Ports that are free, and who owns one that is taken, or a Unix socket."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

LISTEN = "0A"
ACCEPTS = 0x10000
"""Flag of a listening socket in /proc/net/unix (__SO_ACCEPTCON of linux/net.h)."""


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """`count` different ports that nobody listens on now, sorted. All are held open until the last one is chosen."""
    sockets = []
    try:
        for _ in range(count):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            candidate = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(candidate)
            candidate.bind((host, 0))
        return sorted(candidate.getsockname()[1] for candidate in sockets)
    finally:
        for candidate in sockets:
            candidate.close()


def listeners(where: int | str) -> set[int]:
    """The pids that listen on a TCP port, or on the Unix socket of a path, as far as this user may see them (Linux,
    /proc)."""
    inodes = _listening_inodes(where)
    return {pid for pid in _pids() if inodes & _socket_inodes(pid)} if inodes else set()


def is_listening(where: int | str) -> bool:
    """where: a TCP port, on whatever address, or the path of a Unix socket; whoever listens (Linux, /proc)."""
    return bool(_listening_inodes(where))


def listening_ports(pids: set[int]) -> set[int]:
    """TCP ports that any of these processes listens on."""
    inodes = {inode for pid in pids for inode in _socket_inodes(pid)}
    return {port for port, inode in _tcp_listeners() if inode in inodes}


def listening_hosts(port: int) -> set[str]:
    """The addresses on which somebody listens on a TCP port."""
    return {_host(local) for local, _ in _tcp_sockets() if int(local.rpartition(":")[2], 16) == port}


def descendants(root: int) -> set[int]:
    """`root` and all processes below it."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        parent = int(status.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(pid)
    found, waiting = set(), [root]
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting.extend(children.get(pid, ()))
    return found


def stopped_below(root: int) -> set[int]:
    """Those of `root` and all below it that stand still by a signal (proc(5): state T)."""
    return {pid for pid in descendants(root) if _state(pid) == "T"}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _listening_inodes(where: int | str) -> set[str]:
    return _unix_inodes(where) if isinstance(where, str) else _tcp_inodes(where)


def _unix_inodes(path: str) -> set[str]:
    """Lines: address, references, protocol, flags, type, state, inode, path."""
    try:
        lines = [line.split(maxsplit=7) for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    except OSError:
        return set()
    return {line[6] for line in lines if len(line) == 8 and line[7] == path and int(line[3], 16) & ACCEPTS}


def _tcp_inodes(port: int) -> set[str]:
    return {inode for listened, inode in _tcp_listeners() if listened == port}


def _tcp_listeners() -> Iterator[tuple[int, str]]:
    """(port, inode) of every listening socket."""
    return ((int(local.rpartition(":")[2], 16), inode) for local, inode in _tcp_sockets())


def _host(local: str) -> str:
    """Of an address as /proc/net/tcp writes it: words of 32 bits in the machine's byte order, hexadecimal."""
    words = bytes.fromhex(local.rpartition(":")[0])
    raw = b"".join(words[at : at + 4][:: -1 if sys.byteorder == "little" else 1] for at in range(0, len(words), 4))
    return str(ipaddress.ip_address(raw))


def _tcp_sockets() -> Iterator[tuple[str, str]]:
    """(local address, inode) of every listening socket."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN:
                yield fields[1], fields[9]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _socket_inodes(pid: int) -> set[str]:
    found = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            link = os.readlink(entry.path)
            if link.startswith("socket:["):
                found.add(link[8:-1])
    except OSError:  # it ended meanwhile, or belongs to somebody else
        pass
    return found
