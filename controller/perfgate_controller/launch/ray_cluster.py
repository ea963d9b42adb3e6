"""Agents on the nodes of a Ray cluster that is there already: one a node, by a placement group that spreads strictly.

Group and actors are detached, so they stay when the command has ended. Ray's own connections are plain unless RAY_USE_TLS is
set, so keys are sent through it only then, or where the fleet file says that the network is trusted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.placement_group import get_placement_group, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from perfgate.address import is_loopback
from perfgate.errors import FleetError, InputError, PerfgateError
from perfgate.fleet_file.launcher_schema import RayTable
from perfgate.trust.files import TlsFiles
from perfgate_controller.launch.agent_files import Listen, agent_toml, certificate_files, target_files
from perfgate_controller.launch.launcher import Certify, Placed, Standing, WantedAgent
from perfgate_controller.launch.processes import each, same_table
from perfgate_controller.launch.ray_node import RayNode

NAMESPACE = "perfgate"
ANSWER_S = 30.0
REACH_S = 5.0


class RayLauncher:
    """fleet: names group and actors. directory: of the fleet file."""

    def __init__(self, fleet: str, directory: Path) -> None:
        self._fleet, self._directory = fleet, directory

    async def up(self, agents: Sequence[WantedAgent], certify: Certify, record: Callable[[Placed], None]) -> None:
        table = _table(agents)
        if addressed := [agent.name for agent in agents if agent.host]:
            raise InputError(f"{addressed[0]}: leave address away; with kind ray the cluster says which nodes it has")
        with _connected(table.cluster):
            group = await asyncio.to_thread(self._group, agents, table)
            try:
                await each(
                    self._start(group, number, agent, table, certify, record) for number, agent in enumerate(agents)
                )
            except PerfgateError:
                if not any(self._actor(agent.name) for agent in agents):
                    await asyncio.to_thread(self._remove_group)
                raise

    async def status(self, placed: Sequence[Placed]) -> list[Standing]:
        try:
            with _connected(placed[0].handle["cluster"]):
                return await each(self._status(one) for one in placed)
        except FleetError as error:
            return [Standing(one.name, "unreachable", str(error)) for one in placed]

    async def down(self, placed: Sequence[Placed], patience_s: float, record: Callable[[Standing], None]) -> None:
        with _connected(placed[0].handle["cluster"]):
            await each(self._stop(one, patience_s, record) for one in placed)
            await asyncio.to_thread(self._remove_group)

    def _group(self, agents: Sequence[WantedAgent], table: RayTable) -> Any:
        """Found again, or made. Raises FleetError where the cluster has too few nodes with room."""
        try:
            group = get_placement_group(self._name())
        except ValueError:
            bundles = [{"CPU": table.cpus}] * len(agents)
            group = placement_group(bundles, strategy="STRICT_SPREAD", name=self._name(), lifetime="detached")
        if group.bundle_count != len(agents):
            raise FleetError(
                f"{self._fleet}: runs already, with {group.bundle_count} agents; perfgate fleet down first"
            )
        if not group.wait(table.ready_seconds):
            remove_placement_group(group)
            nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
            raise FleetError(
                f"the cluster has no {len(agents)} nodes with {table.cpus:g} free processors each: there are {len(nodes)} nodes, "
                f"with {', '.join(f'{cpus:g}' for cpus in nodes)}; give fewer hosts, or launcher.cpus"
            )
        return group

    async def _start(
        self, group: Any, number: int, agent: WantedAgent, table: RayTable, certify: Certify,
        record: Callable[[Placed], None],
    ) -> None:  # fmt: skip
        place = PlacementGroupSchedulingStrategy(
            placement_group=group, placement_group_bundle_index=number, placement_group_capture_child_tasks=False
        )
        home = f"{table.directory}/fleets/{self._fleet}/{agent.name}"
        options = {
            "name": self._name(agent.name), "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True,
            "num_cpus": table.cpus, "max_restarts": 0, "scheduling_strategy": place,
        }  # fmt: skip
        actor = ray.remote(RayNode).options(**options).remote(home, table.python or "")
        try:
            address, node = await self._agent(actor, agent, table, certify)
        except PerfgateError:
            ray.kill(actor)
            raise
        record(Placed(agent.name, address, {"cluster": table.cluster, "node": node}))

    async def _agent(self, actor: Any, agent: WantedAgent, table: RayTable, certify: Certify) -> tuple[str, str]:
        """(address of the agent that the actor has, or has now; the id of its node)."""
        state, detail = await _answer(agent.name, actor.status.remote())
        host, node = map(str, await _answer(agent.name, actor.where.remote()))
        if state == "running":
            return str(detail).rpartition(" ")[2], node
        tls = certify(agent.name, agent.tls_name or host)
        _check_way(agent.name, host, tls, table)
        files = {**_files(agent, host, tls is not None, self._directory), **certificate_files(tls)}
        started = actor.start.remote(files, table.ready_seconds)
        address, trouble = await _answer(agent.name, started, table.ready_seconds)
        if trouble:
            raise FleetError(f"{agent.name}: did not start on {host}: {trouble}")
        return str(address), node

    async def _status(self, placed: Placed) -> Standing:
        actor = self._actor(placed.name)
        if actor is None:
            return Standing(placed.name, "ended", "its actor is gone, and the agent with it")
        try:
            state, detail = await _answer(placed.name, actor.status.remote())
        except FleetError as error:
            return Standing(placed.name, "ended", str(error))
        return Standing(placed.name, str(state), str(detail))

    async def _stop(self, placed: Placed, patience_s: float, record: Callable[[Standing], None]) -> None:
        actor, how = self._actor(placed.name), "its actor was gone"
        if actor is not None:
            how = str(await _answer(placed.name, actor.stop.remote(patience_s), patience_s + 5))
            ray.kill(actor)
        record(Standing(placed.name, "stopped", how))

    def _actor(self, agent: str) -> Any:
        try:
            return ray.get_actor(self._name(agent), namespace=NAMESPACE)
        except ValueError:
            return None

    def _remove_group(self) -> None:
        try:
            remove_placement_group(get_placement_group(self._name()))
        except ValueError:
            return

    def _name(self, agent: str = "") -> str:
        return f"perfgate-{self._fleet}" + (f"-{agent}" if agent else "")


@contextmanager
def _connected(cluster: str) -> Iterator[None]:
    """Raises FleetError where there is no cluster."""
    _check_reached(cluster)
    try:
        ray.init(
            address=cluster,
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except (ConnectionError, RayError, RuntimeError, ValueError, OSError) as error:
        raise FleetError(
            f"no Ray cluster at {cluster!r}: {error}; `ray start --head` makes one, launcher.cluster names it"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_reached(cluster: str) -> None:
    """Ray itself would try for minutes."""
    host, separator, port = cluster.removeprefix("ray://").rpartition(":")
    if not separator or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
    except OSError as error:
        raise FleetError(
            f"no Ray cluster at {cluster!r}: {error.strerror or error}; launcher.cluster names one"
        ) from error


async def _answer(name: str, reference: Any, extra_s: float = 0.0) -> Any:
    """Raises FleetError for a node that is lost, or has no perfgate."""
    try:
        async with asyncio.timeout(ANSWER_S + extra_s):
            return await reference
    except TimeoutError as error:
        raise FleetError(f"{name}: its actor does not answer") from error
    except (RayError, ModuleNotFoundError) as error:
        if "ModuleNotFoundError" in f"{type(error).__name__} {error}":
            raise FleetError(
                f"{name}: its node has no perfgate; install the same one there, with perfgate[ray]"
            ) from error
        raise FleetError(f"{name}: Ray says: {str(error).strip().splitlines()[-1]}") from error


def _check_way(name: str, host: str, tls: TlsFiles | None, table: RayTable) -> None:
    if tls is None and not is_loopback(host):
        raise InputError(
            f"{name}: its node is {host}, and off loopback an agent needs a certificate; name the authority as launcher.certs"
        )
    secure = os.environ.get("RAY_USE_TLS", "0") not in ("", "0")
    if tls is not None and not (secure or table.trusted_network or is_loopback(host)):
        raise InputError(
            f"{name}: its key would go to {host} through Ray, which speaks plainly here; set RAY_USE_TLS (see Ray's documentation"
            "), or launcher.trusted_network = true"
        )


def _files(agent: WantedAgent, host: str, secure: bool, directory: Path) -> dict[str, bytes]:
    table = _table([agent])
    listen = Listen(host, table.port, "certs" if secure else "")
    text = agent_toml(table, agent.name, listen, "work", f"{table.directory}/cache")
    return {"agent.toml": text.encode(), **target_files(table, directory)}


def _table(agents: Sequence[WantedAgent]) -> RayTable:
    table = same_table(agents)
    assert isinstance(table, RayTable)
    return table
