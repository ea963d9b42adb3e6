"""Fleets that are started for one test, and ended whatever becomes of it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from cluster import write_target
from perfgate_controller.launch.launcher import Placed, Standing
from perfgate_controller.launch.start import fleet_down, fleet_up

from perfgate.cli.fleet_certify import certifier
from perfgate.fleet_file import FleetFile, load_fleet


def write_fleet(directory: Path, launcher: str, hosts: dict[str, str]) -> Path:
    """hosts: name to address, empty where the launcher says."""
    write_target(directory)
    lines = ["[launcher]", launcher]
    for name, address in hosts.items():
        lines += ["[[hosts]]", f'name = "{name}"', *([f'address = "{address}"'] if address else [])]
    path = directory / "fleet.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def free_ports(count: int) -> list[int]:
    """Of loopback, taken at once so that they differ."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


async def up(path: Path) -> dict[str, Placed]:
    """What came up, by name."""
    placed: dict[str, Placed] = {}
    fleet = load_fleet(path)
    await fleet_up(fleet, certifier(fleet), lambda one: placed.update({one.name: one}))
    return placed


async def down(path: Path, patience_s: float = 5.0) -> dict[str, Standing]:
    ended: dict[str, Standing] = {}
    await fleet_down(load_fleet(path), patience_s, lambda one: ended.update({one.name: one}))
    return ended


@contextlib.asynccontextmanager
async def launched(path: Path) -> AsyncIterator[dict[str, Placed]]:
    try:
        yield await up(path)
    finally:
        await down(path)


def lives(pid: int) -> bool:
    """Not as a zombie, either."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def agent_directory(base: Path, fleet: FleetFile, name: str) -> Path:
    return base / "fleets" / fleet.path.stem / name


def processes_below(directory: Path) -> list[int]:
    """Living ones whose working directory lies there."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd").startswith(str(directory)) and lives(int(entry)):
                found.append(int(entry))
    return found
