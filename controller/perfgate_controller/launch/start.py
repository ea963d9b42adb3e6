"""`perfgate fleet up`, `status` and `down`: each host of a fleet file with the launcher that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from perfgate.errors import FleetError, InputError
from perfgate.fleet_file.launcher_load import launcher_table
from perfgate.fleet_file.model import FleetFile, FleetHost
from perfgate_controller.launch.launcher import Certify, Launcher, Placed, Standing, WantedAgent
from perfgate_controller.launch.state import launch_state

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
LIBRARIES = {"asyncssh": "ssh", "ray": "ray", "kubernetes_asyncio": "kubernetes"}


async def fleet_up(fleet: FleetFile, certify: Certify, say: Callable[[Placed], None]) -> None:
    """Start what does not run yet. `say` hears of each agent that does, whether it was started now or before. Raises
    FleetError naming those that did not come up, when all others have."""
    wanted = wanted_agents(fleet)
    failures: list[str] = []
    with launch_state(fleet) as state:
        _check_kinds(fleet, wanted, {name: kind for name, (kind, _) in state.placed.items()})
        for kind in dict.fromkeys(agent.table.kind for agent in wanted):
            launcher = make_launcher(kind, fleet)

            def record(placed: Placed, kind: str) -> None:
                state.add(kind, placed)
                say(placed)

            try:
                own = [agent for agent in wanted if agent.table.kind == kind]
                await launcher.up(own, certify, partial(record, kind=kind))
            except FleetError as error:
                failures.append(str(error))
    if failures:
        raise FleetError("\n".join(failures))


async def fleet_status(fleet: FleetFile) -> list[tuple[Placed | None, Standing]]:
    """Of every host of the file, and of whatever else was started for it."""
    with launch_state(fleet) as state:
        found: dict[str, tuple[Placed | None, Standing]] = {}
        for kind in state.kinds():
            placed = state.of_kind(kind)
            standings = await make_launcher(kind, fleet).status(placed)
            found |= {one.name: (one, standing) for one, standing in zip(placed, standings, strict=True)}
    for host in fleet.hosts:
        found.setdefault(host.name, (None, Standing(host.name, "stopped", "not started by perfgate fleet up")))
    return list(found.values())


async def fleet_down(fleet: FleetFile, patience_s: float, say: Callable[[Standing], None]) -> None:
    """End everything that was started for this file, hosts that have left it included. `say` hears of each agent that has
    ended. Raises FleetError naming what may still run; that stays recorded."""
    failures: list[str] = []
    with launch_state(fleet) as state:

        def record(standing: Standing) -> None:
            state.remove(standing.name)
            say(standing)

        for kind in state.kinds():
            try:
                await make_launcher(kind, fleet).down(state.of_kind(kind), patience_s, record)
            except FleetError as error:
                failures.append(str(error))
    if failures:
        raise FleetError("\n".join(failures))


def wanted_agents(fleet: FleetFile) -> list[WantedAgent]:
    """Raises InputError for hosts without a launcher, and for names that cannot name a directory."""
    if not any(fleet.launcher_of(host) for host in fleet.hosts):
        raise InputError(
            f'{fleet.path}: has no [launcher] table; add one with kind = "local", "ssh", "ray" or "kubernetes"'
        )
    for name in (fleet_name(fleet), *(host.name for host in fleet.hosts)):
        if not NAME.fullmatch(name) or ".." in name:
            raise InputError(f"{fleet.path}: name {name!r}: give 1 to 63 letters, digits, '.', '-' and '_', as perf-1")
    return [_wanted(fleet, host) for host in fleet.hosts]


def _check_kinds(fleet: FleetFile, wanted: Sequence[WantedAgent], started: Mapping[str, str]) -> None:
    for agent in wanted:
        kind = started.get(agent.name, agent.table.kind)
        if kind != agent.table.kind:
            raise FleetError(f"{agent.name} was started by {kind}; end it first: perfgate fleet down {fleet.path}")


def fleet_name(fleet: FleetFile) -> str:
    """What names the fleet's directories, units and objects: that of the file."""
    return fleet.path.stem


def make_launcher(kind: str, fleet: FleetFile) -> Launcher:
    """Raises InputError naming the extra that is to be installed."""
    name, directory = fleet_name(fleet), fleet.path.resolve().parent
    try:
        return _make(kind, name, directory)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in LIBRARIES:
            raise
        raise InputError(
            f"launcher.kind {kind}: needs the library {library}; pip install 'perfgate[{LIBRARIES[library]}]'"
        ) from error


def _make(kind: str, name: str, directory: Path) -> Launcher:
    if kind == "local":
        from perfgate_controller.launch.local import LocalLauncher

        return LocalLauncher(name, directory)
    if kind == "ssh":
        from perfgate_controller.launch.ssh import SshLauncher

        return SshLauncher(name, directory)
    if kind == "ray":
        from perfgate_controller.launch.ray_cluster import RayLauncher

        return RayLauncher(name, directory)
    from perfgate_controller.launch.kubernetes import KubernetesLauncher

    return KubernetesLauncher(name, directory)


def _wanted(fleet: FleetFile, host: FleetHost) -> WantedAgent:
    name, _, port = host.address.rpartition(":")
    table = launcher_table(fleet, host)
    return WantedAgent(host.name, name.strip("[]"), int(port or 0), table, host.tls_name)
