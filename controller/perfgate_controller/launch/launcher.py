"""The seam between `perfgate fleet up` and whatever starts agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from perfgate.fleet_file.launcher_schema import LauncherTable
from perfgate.trust.files import TlsFiles

Certify = Callable[[str, str], TlsFiles | None]
"""(agent's name, name or address it is dialled by) to the files it serves with; None: without TLS, on loopback alone."""


@dataclass(frozen=True, slots=True)
class WantedAgent:
    """One line of the fleet file. host, port: how it is dialled; empty and 0 where the launcher will say. tls_name: what its
    certificate is made out to, where that is not the host."""

    name: str
    host: str
    port: int
    table: LauncherTable
    tls_name: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """An agent that was started: how it is dialled (HOST:PORT), and what the launcher needs to find it again."""

    name: str
    address: str
    handle: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """state: running, ended (by itself: see `detail`), stopped, or unreachable."""

    name: str
    state: str
    detail: str = ""


class Launcher(Protocol):
    """Every method may be called again, in another process and after a failure: what is there already stays."""

    async def up(self, agents: Sequence[WantedAgent], certify: Certify, record: Callable[[Placed], None]) -> None:
        """Start what does not run yet. `record` is called for each agent as soon as it listens, so that a failure of one
        leaves the others known. Raises FleetError naming every agent that did not come up."""

    async def status(self, placed: Sequence[Placed]) -> list[Standing]:
        """One for each, in order."""

    async def down(self, placed: Sequence[Placed], patience_s: float, record: Callable[[Standing], None]) -> None:
        """End them, and all that they have started; after `patience_s` by force. `record` is called for each that has
        ended for sure. Raises FleetError naming every other."""
