"""An agent that is to take part in a run, and how long it may be silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perfgate.errors import InputError
from perfgate.fleet_file.model import FleetFile
from perfgate.plan import LANES
from perfgate.units import NS_PER_MS, NS_PER_S


@dataclass(frozen=True, slots=True)
class Patience:
    """With agents that fall silent. idle_ns: while no load runs. load_ns: while one does; then it is lost. lease_ns: so long
    after it was heard last an agent sends what is due, and nobody else may send that. beat_ns: from one heartbeat to the
    next. aside_ns: after so long a silence under load heartbeats go beside the stream, too (side_beats); 0: never. sure: the
    end of its stream can only be the end of its process, so that what it may send ends with it."""

    idle_ns: int
    load_ns: int
    lease_ns: int
    beat_ns: int = 200 * NS_PER_MS
    aside_ns: int = 900 * NS_PER_MS
    sure: bool = False


SHARED = Patience(15 * NS_PER_S, 1600 * NS_PER_MS, 1800 * NS_PER_MS)
"""Several agents load: what a lost one leaves is taken over within 2 s (requests are made ready up to 0.35 s ahead). A second
in which nobody is heard, after a heartbeat's 0.2 s and before a new connection's 0.2 s, is no loss yet."""
ALONE = Patience(15 * NS_PER_S, 2800 * NS_PER_MS, 2800 * NS_PER_MS)
"""Nobody can take over, so there is as much patience as a load may have that must stop within 3 s."""
OWN = Patience(15 * NS_PER_S, 8 * NS_PER_S, 9 * NS_PER_S, beat_ns=NS_PER_S, aside_ns=0, sure=True)
"""The controller's children on this machine: they die with it, and it hears at once when they die."""


@dataclass(frozen=True, slots=True)
class Member:
    """address: HOST:PORT. weight: of its workers, when lanes are shared. tls_name: what its certificate is made out to, where
    that is not the host dialled."""

    address: str
    loads: bool = True
    weight: float = 1.0
    tls_name: str = ""


def members_of(fleet: FleetFile) -> list[Member]:
    """The one that starts stores comes first. Raises InputError for a host whose address nobody has said yet."""
    for host in fleet.hosts:
        if not host.address:
            raise InputError(
                f"{fleet.path}: host {host.name!r} has no address yet; perfgate fleet up starts its agent and says where, or "
                "give address"
            )
    return [Member(host.address, host.loads, host.weight, host.tls_name) for host in fleet.ordered()]


def too_many(workers: Mapping[str, int]) -> str:
    """The sentence for agents (by name, with their workers) that have more workers together than a plan has lanes: some would
    have nothing to send, and connections that nobody uses. Empty where they have not."""
    total = sum(workers.values())
    if total <= LANES:
        return ""
    each = ", ".join(f"{name} {count}" for name, count in workers.items())
    return (
        f"{total} load workers ({each}) are more than the {LANES} lanes that a plan has, so that {total - LANES} would have "
        f"nothing to send: leave agents out, or give them fewer workers (--workers, workers in agent.toml), {LANES} in all"
    )


def as_members(agents: Sequence[str | Member]) -> list[Member]:
    """Bare addresses are members that do everything."""
    return [agent if isinstance(agent, Member) else Member(agent) for agent in agents]
