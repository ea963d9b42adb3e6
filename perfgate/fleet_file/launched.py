"""Addresses of agents that `perfgate fleet up` has started, where the fleet file leaves them to the launcher."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from perfgate.errors import InputError
from perfgate.fleet_file.model import FleetFile

LAUNCHED_VERSION = 1


def state_path(fleet: FleetFile) -> Path:
    """Beside the fleet file, whatever the working directory of the command."""
    return fleet.path.resolve().parent / ".perfgate" / "fleets" / f"{fleet.path.stem}.json"


def with_addresses(fleet: FleetFile) -> FleetFile:
    """The same fleet, each host with the address that it was started with. Raises InputError for hosts that were not."""
    if all(host.address for host in fleet.hosts):
        return fleet
    known = _addresses(state_path(fleet))
    if missing := [host.name for host in fleet.hosts if not host.address and host.name not in known]:
        raise InputError(
            f"{fleet.path}: {', '.join(missing)}: not started yet; perfgate fleet up {fleet.path}, or give each an address"
        )
    hosts = (dataclasses.replace(host, address=host.address or known[host.name]) for host in fleet.hosts)
    return dataclasses.replace(fleet, hosts=tuple(hosts))


def _addresses(path: Path) -> dict[str, str]:
    try:
        agents = json.loads(path.read_text(encoding="utf-8"))["agents"]
        return {name: str(one["address"]) for name, one in agents.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is no record of a launched fleet ({error!r})") from error
