"""What a fleet file says, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from perfgate.address import Address
from perfgate.trust.files import TlsFiles


class HostRole(StrEnum):
    """What an agent is there for: `load` sends requests, `host` starts the stores."""

    LOAD = "load"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class FleetHost:
    """One host with an agent. address: HOST:PORT as the controller dials it; empty where a launcher will say. weight: of its
    workers, when lanes are shared. tls_name: what the agent's certificate is made out to, where that is not the host dialled.
    launcher: its own table for `perfgate fleet up`, unchecked here; keys there come before those of FleetFile.launcher."""

    name: str
    address: str = ""
    roles: frozenset[HostRole] = frozenset({HostRole.LOAD})
    weight: float = 1.0
    tls_name: str = ""
    launcher: Mapping[str, Any] = field(default_factory=dict)

    @property
    def loads(self) -> bool:
        return HostRole.LOAD in self.roles

    @property
    def starts_stores(self) -> bool:
        return HostRole.HOST in self.roles


@dataclass(frozen=True, slots=True)
class FleetFile:
    """tls: the controller's own certificate; None: of $PERFGATE_CERTS or the command line. target: the store's address as
    the agents see it, where it runs already. launcher: a table for all hosts (see FleetHost.launcher)."""

    path: Path
    hosts: tuple[FleetHost, ...]
    name: str = ""
    tls: TlsFiles | None = None
    target: Address | None = None
    launcher: Mapping[str, Any] = field(default_factory=dict)

    def ordered(self) -> tuple[FleetHost, ...]:
        """The one that starts stores first, then the others as they are written."""
        return tuple(sorted(self.hosts, key=lambda host: not host.starts_stores))

    def launcher_of(self, host: FleetHost) -> dict[str, Any]:
        """The host's own keys over those for all."""
        return {**self.launcher, **host.launcher}
