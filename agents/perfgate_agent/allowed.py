"""The addresses that this machine's owner lets its agent load."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass

from perfgate.address import Address, is_loopback
from perfgate.errors import InputError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FORMS = "10.0.0.0/8, 10.0.0.5:7432, store.example.org, [fd00::/8]:7432 or unix:/run/mystore"


@dataclass(frozen=True, slots=True)
class AllowedAddress:
    """One entry. Just one of network (literal addresses in it), name (just that name, as it is written) and directory (Unix
    sockets in or below it, or that socket). port: None for any."""

    network: Network | None = None
    name: str = ""
    directory: str = ""
    port: int | None = None

    def admits(self, address: Address) -> bool:
        """Nothing is resolved: what a name stands for is seen only when it is dialled."""
        if address.path:
            return bool(self.directory) and _inside(address.path, self.directory)
        if self.directory or self.port not in (None, address.port):
            return False
        if self.network is None:
            return address.host.lower().rstrip(".") == self.name
        literal = _literal(address.host)
        return literal is not None and literal.version == self.network.version and literal in self.network


@dataclass(frozen=True, slots=True)
class AllowedAddresses:
    """words: the entries as they are written, for messages."""

    entries: tuple[AllowedAddress, ...]
    words: str

    @classmethod
    def parse(cls, entries: Sequence[str], field: str) -> AllowedAddresses:
        """Raises InputError naming the field and the entry."""
        return cls(tuple(_parse(entry, field) for entry in entries), ", ".join(entries) or "none")

    def admits(self, address: Address) -> bool:
        return any(entry.admits(address) for entry in self.entries)


def _parse(entry: str, field: str) -> AllowedAddress:
    if entry.startswith("unix:/"):
        return AllowedAddress(directory=os.path.normpath(entry.removeprefix("unix:")))
    try:
        host, port = _split(entry)
        return AllowedAddress(network=ipaddress.ip_network(host), port=port)
    except ValueError:
        pass
    try:
        host, port = _split(entry)
        name = Address.parse(f"{host}:{port or 1}").host.lower().rstrip(".")
        if not name.isascii() or "/" in host or "*" in host or name.replace(".", "").isdigit():
            raise ValueError
    except (ValueError, InputError):
        raise InputError(f"{field} = {entry!r}: neither a network nor a host; give entries as {FORMS}") from None
    return AllowedAddress(name=name, port=port)


def _split(entry: str) -> tuple[str, int | None]:
    """Host and port; an IPv6 host with a port stands in brackets."""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
        port = f":{port}"
    else:
        host, port = entry, ""
    if not port:
        return host, None
    number = int(port.removeprefix(":"))
    if not port.startswith(":") or not 0 < number < 65536:
        raise ValueError(entry)
    return host, number


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that is really meant: an IPv4 address that is written as an IPv6 one is still that."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _inside(path: str, directory: str) -> bool:
    """With symbolic links followed, so that none leads out."""
    real = os.path.realpath(path)
    return os.path.commonpath([real, os.path.realpath(directory)]) == os.path.realpath(directory)


def needs_tls(host: str) -> bool:
    """Whether an agent that listens there can be reached from elsewhere."""
    return not is_loopback(host)


LOOPBACK = AllowedAddresses.parse(["127.0.0.0/8", "[::1/128]", "localhost"], "default")
LOCAL = AllowedAddresses((*LOOPBACK.entries, AllowedAddress(directory="/")), "only loopback addresses")
"""Of an agent that nobody but this machine can reach: whatever is on this machine."""
