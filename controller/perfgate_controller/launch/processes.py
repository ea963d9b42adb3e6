"""An agent as a process that a helper starts, here or elsewhere: what `local` and `ssh` have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from perfgate.errors import FleetError, InputError, PerfgateError
from perfgate.fleet_file.launcher_schema import LauncherTable
from perfgate.trust.files import TlsFiles
from perfgate_controller.launch.agent_files import (
    Listen,
    agent_toml,
    certificate_files,
    digest_of,
    encoded,
    target_files,
)
from perfgate_controller.launch.helper_call import Transport, call
from perfgate_controller.launch.launcher import Placed, Standing, WantedAgent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one agent is to live. base: the launcher's directory there. python: the one that has perfgate. service: its
    unit of systemd, or nothing."""

    base: str
    python: str
    listen: str
    environment: Mapping[str, str] = field(default_factory=dict)
    service: str = ""


async def start_agent(
    transport: Transport, fleet: str, wanted: WantedAgent, place: Place, tls: TlsFiles | None, fleet_directory: Path
) -> Placed:
    """Raises FleetError with the agent's last words where it does not come up."""
    directory = f"{place.base}/fleets/{fleet}/{wanted.name}"
    files = start_files(wanted.table, wanted, place, tls is not None, fleet_directory)
    command = [place.python, "-P", "-m", "perfgate_agent", "--config", "agent.toml"]
    order = {
        "action": "start", "directory": directory, "command": command, "environment": dict(place.environment),
        "files": encoded({**files, **certificate_files(tls)}), "digest": digest_of(files, *command, place.service),
        "wait_s": wanted.table.ready_seconds, "service": place.service, "unit": "", "address": "",
    }  # fmt: skip
    if place.service:
        order["unit"] = encoded({"": unit_text(place.service, place.python).encode()})[""]
        order["address"] = f"{wanted.host}:{wanted.port}"
    done = await call(transport, wanted.name, order)
    port = wanted.port or int(str(done["address"]).rpartition(":")[2])
    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host or "127.0.0.1"
    handle = {"directory": directory, "pid": str(done["pid"])}
    return Placed(wanted.name, f"{host}:{port}", handle)


def start_files(
    table: LauncherTable, wanted: WantedAgent, place: Place, secure: bool, fleet_directory: Path
) -> dict[str, bytes]:
    """Everything beside the certificate."""
    listen = Listen(place.listen or wanted.host or "127.0.0.1", wanted.port, "certs" if secure else "")
    text = agent_toml(table, wanted.name, listen, "work", f"{place.base}/cache")
    return {"agent.toml": text.encode(), **target_files(table, fleet_directory)}


def unit_text(service: str, python: str) -> str:
    """A unit for `systemctl --user`. %h/%t and the like must not be read out of a path."""
    command = python.replace("%", "%%").replace('"', "")
    return (
        f"[Unit]\nDescription=perfgate agent {service}\n\n[Service]\nType=notify\nNotifyAccess=main\n"
        f"WorkingDirectory=@DIRECTORY@\n"
        f'ExecStart="{command}" -P -m perfgate_agent --config agent.toml\nRestart=on-failure\nRestartSec=2\n'
        "KillMode=mixed\nTimeoutStopSec=30\nUMask=0077\nLimitNOFILE=65536\nNoNewPrivileges=yes\n\n"
        "[Install]\nWantedBy=default.target\n"
    )


async def agent_status(transport: Transport, placed: Placed) -> Standing:
    """Never raises for a host that is not reached: that is the state `unreachable`."""
    order = {"action": "status", "directory": placed.handle["directory"]}
    try:
        done = await call(transport, placed.name, order)
    except FleetError as error:
        return Standing(placed.name, "unreachable", str(error))
    return Standing(placed.name, str(done["state"]), str(done.get("log", "")) or _pid(done))


async def stop_agent(transport: Transport, placed: Placed, patience_s: float) -> Standing:
    """Raises FleetError where it may still run."""
    order = {"action": "stop", "directory": placed.handle["directory"], "patience_s": patience_s}
    return Standing(placed.name, "stopped", str((await call(transport, placed.name, order))["how"]))


async def each(work: Iterable[Awaitable[T]]) -> list[T]:
    """Side by side, each to its end. Raises FleetError with all failures, or InputError where they are all of that kind."""
    done = await asyncio.gather(*work, return_exceptions=True)
    failures = [one for one in done if isinstance(one, BaseException)]
    for failure in failures:
        if not isinstance(failure, PerfgateError):
            raise failure
    if failures:
        kind = InputError if all(isinstance(failure, InputError) for failure in failures) else FleetError
        raise kind("\n".join(map(str, failures)))
    return [one for one in done if not isinstance(one, BaseException)]


async def recording(record: Callable[[T], None], work: Awaitable[T]) -> None:
    """`work`, and then it is known."""
    record(await work)


def same_table(agents: Sequence[WantedAgent]) -> LauncherTable:
    """Of agents that can only be started alike. Raises FleetError."""
    first = agents[0].table
    for agent in agents[1:]:
        if agent.table != first:
            raise FleetError(
                f"hosts {agents[0].name} and {agent.name} have different [launcher] tables; with kind {first.kind!r} all "
                "agents are started alike"
            )
    return first


def _pid(done: Mapping[str, object]) -> str:
    return f"pid {done['pid']}, {done.get('address') or ''}".rstrip(", ") if "pid" in done else ""
