"""Where a load goes: a store behind TCP, TLS or a Unix socket."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from perfgate.errors import InputError

FORMS = "http://127.0.0.1:7432, https://HOST:PORT or unix:/PATH"
DEFAULT_PORTS = {"http": 80, "https": 443}
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
MAX_SOCKET_PATH = 107
"""Bytes; sockaddr_un has room for one more, which ends it (unix(7))."""


@dataclass(frozen=True, slots=True)
class Address:
    """One store's address, complete: it means the same on every agent.

    host, port: a name or a literal address; `localhost` and 0 with a Unix socket, as requests then name it. path: of
    the Unix socket; empty for TCP. tls: with server_name as the name the certificate must bear (empty: the host),
    authorities as the PEM text of those trusted (empty: the system's), insecure for a certificate that nobody checks.
    """

    host: str
    port: int
    tls: bool = False
    server_name: str = ""
    authorities: str = ""
    insecure: bool = False
    path: str = ""

    @classmethod
    def unix(cls, path: str) -> Address:
        """Of a Unix socket."""
        return cls("localhost", 0, path=path)

    @classmethod
    def parse(cls, text: str, field: str = "address") -> Address:
        """`http://HOST:PORT`, `https://HOST:PORT`, `HOST:PORT`, `unix:/PATH` or `http+unix:///PATH`.

        Raises InputError naming `field`, the text and the remedy.
        """
        text = text.strip()
        try:
            scheme, _, _ = text.partition(":")
            if scheme.lower() in ("unix", "http+unix"):
                return cls.unix(_socket_path(text))
            return _tcp(text)
        except ValueError as error:
            raise InputError(f"{field} {text!r}: {error}; give the store's address as {FORMS}") from None

    @property
    def local(self) -> bool:
        """True where it can only be on this machine: a Unix socket or a loopback address."""
        return bool(self.path) or is_loopback(self.host)

    @property
    def certificate_name(self) -> str:
        """What the server's certificate must be made out to."""
        return self.server_name or self.host

    def with_tls(self, *, server_name: str = "", authorities: str = "", insecure: bool = False) -> Address:
        """The same with other terms of trust."""
        return replace(self, server_name=server_name, authorities=authorities, insecure=insecure)

    def __str__(self) -> str:
        """As `parse` reads it; the terms of trust are not part of it."""
        if self.path:
            start = "http+unix://" if self.path.startswith("//") else "unix:"  # what follows `//` would be a host
            return f"{start}{quote(self.path)}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """True for literal loopback addresses and `localhost`."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in LOOPBACK if network.version == address.version)


def _socket_path(text: str) -> str:
    parts = urlsplit(text)
    path = unquote(parts.path)
    if parts.netloc or parts.query or parts.fragment or not path.startswith("/"):
        raise ValueError("a Unix socket needs an absolute path")
    if "\0" in path or len(path.encode()) > MAX_SOCKET_PATH:
        raise ValueError(f"a Unix socket's path has at most {MAX_SOCKET_PATH} bytes")
    return path


def _tcp(text: str) -> Address:
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"{parts.scheme}:// is not spoken here")
    if parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ValueError("only scheme, host and port can be given")
    if not parts.hostname or any(letter.isspace() for letter in parts.netloc):
        raise ValueError("there is no host in it")
    port = parts.port if parts.port is not None else DEFAULT_PORTS[parts.scheme] if "://" in text else 0
    if not 0 < port < 65536:  # urlsplit itself refuses what is above
        raise ValueError("there is no port in it")
    return Address(parts.hostname, port, tls=parts.scheme == "https")
