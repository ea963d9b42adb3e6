"""The names an agent is dialled by, as they stand in its certificate."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from cryptography import x509

from perfgate.errors import InputError

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
PARTY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def host_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    """DNS names and IP addresses. Raises InputError for what is neither; wildcards are refused, since a certificate is
    for one agent."""
    return [_host_name(host.strip()) for host in hosts]


def check_party(name: str) -> str:
    """A name of a controller, observer or agent, which names a directory, too. Raises InputError."""
    if not PARTY.fullmatch(name) or ".." in name:
        raise InputError(f"name {name!r}: give 1 to 63 letters, digits, '.', '-' and '_', as ci or perf-1")
    return name


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    if (
        len(host) > 253
        or not all(LABEL.fullmatch(label) for label in host.split("."))
        or host.replace(".", "").isdigit()
    ):
        raise InputError(
            f"--host {host!r}: neither a name nor an address; give what stands before the port in --agents, as "
            "perf-1.example.org or 10.0.0.5"
        )
    return x509.DNSName(host.lower())
