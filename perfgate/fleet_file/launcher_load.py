"""From the [launcher] tables of a fleet file to checked ones."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from perfgate.errors import InputError
from perfgate.fleet_file.launcher_schema import TABLES, LauncherTable
from perfgate.fleet_file.model import FleetFile, FleetHost
from perfgate.scenario.messages import explain


def launcher_table(fleet: FleetFile, host: FleetHost) -> LauncherTable:
    """The host's own keys over those for all. Raises InputError naming file, host, field, value and remedy."""
    document = {"launcher": fleet.launcher_of(host)}
    kind = document["launcher"].get("kind")
    origin = f"{fleet.path}: host {host.name}"
    if kind not in TABLES:
        said = "is missing" if kind is None else f"= {kind!r} is unknown"
        raise InputError(f"{origin}: launcher.kind {said}; known are {', '.join(TABLES)}")
    try:
        return TABLES[kind].model_validate(document["launcher"])
    except ValidationError as error:
        words = explain(error.errors(), TABLES[kind], document["launcher"], origin)
        raise InputError(f"{words} (in [launcher], kind {kind})") from None


def beside(fleet: FleetFile, written: str) -> Path:
    """A path of a fleet file, seen from its directory."""
    return (fleet.path.parent / Path(written).expanduser()).resolve()
