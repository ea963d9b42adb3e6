"""Reaches every agent of a fleet, and says who would spoil a run. Takes no lease: it may be asked while somebody measures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc

from perfgate.address import Address
from perfgate.errors import FleetError, PerfgateError
from perfgate.fleet_file.model import FleetFile, FleetHost
from perfgate.trust.files import TlsFiles
from perfgate.units import NS_PER_MS, NS_PER_S, format_duration, format_percent
from perfgate.wire.convert import address_to_wire
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate_controller.clock_offset import ClockOffset, measure_offset
from perfgate_controller.link import AgentLink, plain
from perfgate_controller.member import Member, too_many

EXAMINE_S = 15.0
BOUND_MOST_NS = 5 * NS_PER_MS
"""A start that is known no better than this says nothing of how far agents are apart."""
WALL_MOST_NS = 2 * NS_PER_S
BUSY_MOST = 0.25
STEAL_MOST = 0.02
PORTS_LEAST = 2_000
MEMORY_LEAST = 512 * 1024 * 1024
DISK_LEAST = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AgentState:
    """What was found of one host of the file. spoils: why a run with it would be spoilt or refused; notes: what to know all
    the same. distances: to each target, in ns, least and median; None where it cannot be reached."""

    host: FleetHost
    agent: str = ""
    version: str = ""
    workers: int = 0
    cores: int = 0
    busy_share: float = 0.0
    steal_share: float = 0.0
    load_1m: float = 0.0
    free_ports: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0
    clock: ClockOffset | None = None
    distances: tuple[tuple[int, int] | None, ...] = ()
    kept: int = 0
    spoils: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetState:
    """agents: in the order of the file. spoils: of the fleet as a whole."""

    agents: tuple[AgentState, ...]
    targets: tuple[Address, ...]
    spoils: tuple[str, ...] = ()

    @property
    def fit(self) -> bool:
        return not self.spoils and not any(agent.spoils for agent in self.agents)


@dataclass(slots=True)
class _Found:
    """One host while it is being looked at."""

    link: AgentLink
    described: pb.Description
    spoils: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def check_fleet(fleet: FleetFile, tls: TlsFiles | None, targets: Sequence[Address]) -> FleetState:
    """Whatever is wrong with an agent is in its state; nothing is raised for it."""
    found = await asyncio.gather(*(_look(host, tls, targets) for host in fleet.hosts))
    names: dict[str, str] = {}
    spoils = []
    for state in found:
        if state.agent and state.agent in names:
            spoils.append(
                f"{names[state.agent]} and {state.host.name} both call themselves {state.agent}: give each agent a name of its "
                "own (--name, or name in agent.toml)"
            )
        names.setdefault(state.agent, state.host.name)
    spoils += [text for text in [too_many({one.host.name: one.workers for one in found if one.host.loads})] if text]
    return FleetState(tuple(found), tuple(targets), tuple(spoils))


async def _look(host: FleetHost, tls: TlsFiles | None, targets: Sequence[Address]) -> AgentState:
    if not host.address:
        return AgentState(host, spoils=("it has no address yet: perfgate fleet up starts its agent",))
    link = AgentLink(Member(host.address, tls_name=host.tls_name), tls)
    try:
        found = _Found(link, await link.describe(wait=False))
        return await _examine(host, found, targets)
    except PerfgateError as error:
        return AgentState(host, spoils=(str(error),))
    except grpc.aio.AioRpcError as error:
        return AgentState(host, link.name, spoils=(f"it ended the examination: {plain(error.details() or '')}",))
    finally:
        await link.close()


async def _examine(host: FleetHost, found: _Found, targets: Sequence[Address]) -> AgentState:
    link, described = found.link, found.described
    clock = await measure_offset(link.read_clock)
    wanted = [address_to_wire(address) for address in targets] if host.loads else []
    seen = await link.examine(pb.ExamineRequest(targets=wanted), EXAMINE_S)
    if link.warning:
        found.notes.append(link.warning)
    _judge_machine(found, seen, clock)
    _judge_use(found, host, seen)
    distances = _distances(found, targets if host.loads else (), seen)
    return AgentState(
        host=host, agent=link.name, version=plain(described.perfgate_version), workers=described.workers, cores=seen.cores,
        busy_share=seen.busy_share, steal_share=seen.steal_share, load_1m=seen.load_1m, free_ports=seen.free_ports,
        memory_bytes=seen.memory_bytes, disk_bytes=seen.disk_bytes, clock=clock, distances=distances,
        kept=len(described.kept), spoils=tuple(found.spoils), notes=tuple(found.notes),
    )  # fmt: skip


def _judge_machine(found: _Found, seen: pb.Examination, clock: ClockOffset) -> None:
    spoils, notes = found.spoils, found.notes
    if seen.busy_share > BUSY_MOST:
        spoils.append(
            f"{format_percent(seen.busy_share)} of its {seen.cores} cores are busy: end what runs there, or leave it out"
        )
    if seen.steal_share > STEAL_MOST:
        spoils.append(
            f"the hypervisor takes {format_percent(seen.steal_share)} of its time: use a machine that is not shared"
        )
    if clock.bound_ns > BOUND_MOST_NS:
        spoils.append(
            f"its clock is known to within {format_duration(clock.bound_ns)} only: the way there is slow, and so starts cannot "
            "be told apart better than that"
        )
    if abs(clock.wall_ns) > WALL_MOST_NS + clock.bound_ns:
        notes.append(
            f"its clock of the day is {format_duration(abs(clock.wall_ns))} {'ahead' if clock.wall_ns > 0 else 'behind'}: loads "
            "do not depend on it, but logs and certificates do"
        )
    if 0 < seen.free_ports < PORTS_LEAST:
        spoils.append(f"only {seen.free_ports} ports are free for its connections: wait until old ones have ended")
    if 0 < seen.memory_bytes < MEMORY_LEAST:
        spoils.append(f"only {seen.memory_bytes / 1e6:,.0f} MB of memory are free")
    if 0 < seen.disk_bytes < DISK_LEAST:
        notes.append(f"only {seen.disk_bytes / 1e6:,.0f} MB are free where it keeps data and stores")


def _judge_use(found: _Found, host: FleetHost, seen: pb.Examination) -> None:
    described = found.described
    if described.holder:
        queue = f", {described.waiting} wait for it" if described.waiting else ""
        found.spoils.append(f"it is taken: {plain(described.holder)}{queue}; --wait queues for it")
    if host.loads and seen.cores < described.workers + (1 if host.starts_stores else 0):
        more = " and its stores" if host.starts_stores else ""
        found.spoils.append(f"{seen.cores} cores are too few for its {described.workers} workers{more}")
    if host.starts_stores and not described.targets:
        found.spoils.append("it has the role host, but may start no target: give its agent --target, or [host] targets")
    if host.starts_stores and not seen.stores_listen:
        found.notes.append(
            "its stores listen on loopback, so that no other machine can load them: give [host] listen in its agent.toml"
        )
    if described.kept:
        found.notes.append(f"it keeps {len(described.kept)} broken-off runs: perfgate fleet salvage fetches them")


def _distances(found: _Found, targets: Sequence[Address], seen: pb.Examination) -> tuple[tuple[int, int] | None, ...]:
    if len(seen.targets) != len(targets):
        raise FleetError(f"agent {found.link.name} does not say how far it is to the target: is it the same perfgate?")
    for one in seen.targets:
        if one.problem:
            found.spoils.append(plain(one.problem))
    return tuple(None if one.problem else (one.least_ns, one.median_ns) for one in seen.targets)
