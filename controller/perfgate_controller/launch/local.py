"""Agents as processes of this machine, which stay when the command has ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from perfgate.address import is_loopback
from perfgate.errors import InputError
from perfgate.fleet_file.launcher_schema import LocalTable
from perfgate_controller.launch.helper_call import on_this_machine
from perfgate_controller.launch.launcher import Certify, Placed, Standing, WantedAgent
from perfgate_controller.launch.processes import Place, agent_status, each, recording, start_agent, stop_agent


class LocalLauncher:
    """fleet: names the directory. directory: of the fleet file."""

    def __init__(self, fleet: str, directory: Path) -> None:
        self._fleet, self._directory = fleet, directory

    async def up(self, agents: Sequence[WantedAgent], certify: Certify, record: Callable[[Placed], None]) -> None:
        await each(recording(record, self._start(agent, certify)) for agent in agents)

    async def status(self, placed: Sequence[Placed]) -> list[Standing]:
        return await each(agent_status(on_this_machine, one) for one in placed)

    async def down(self, placed: Sequence[Placed], patience_s: float, record: Callable[[Standing], None]) -> None:
        await each(recording(record, stop_agent(on_this_machine, one, patience_s)) for one in placed)

    async def _start(self, agent: WantedAgent, certify: Certify) -> Placed:
        table = agent.table
        assert isinstance(table, LocalTable)
        if agent.host and not is_loopback(agent.host):
            raise InputError(
                f"{agent.name}: {agent.host} is not this machine's loopback; launcher.kind local is for it alone"
            )
        base = str(Path(table.directory).expanduser().resolve())
        path = os.pathsep.join(entry for entry in sys.path if entry)
        place = Place(base, sys.executable, "", {"PYTHONPATH": path})
        tls = certify(agent.name, agent.tls_name or agent.host or "127.0.0.1")
        return await start_agent(on_this_machine, self._fleet, agent, place, tls, self._directory)
