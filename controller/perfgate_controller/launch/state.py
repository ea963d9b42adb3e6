"""What was started for a fleet file, on disk: so that it can be found and ended by another command, on another day."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from perfgate.errors import FleetError
from perfgate.fleet_file.launched import LAUNCHED_VERSION, state_path
from perfgate.fleet_file.model import FleetFile
from perfgate_controller.launch.launcher import Placed


class LaunchState:
    """Agents by name, with the kind of launcher that started each."""

    def __init__(self, path: Path, placed: dict[str, tuple[str, Placed]]) -> None:
        self._path = path
        self.placed = placed

    def add(self, kind: str, placed: Placed) -> None:
        """On disk when it returns, so that a command that dies afterwards leaves nobody unknown."""
        self.placed[placed.name] = (kind, placed)
        self._write()

    def remove(self, name: str) -> None:
        """Of one that is not there: nothing. The file goes with the last one."""
        self.placed.pop(name, None)
        self._write()

    def of_kind(self, kind: str) -> list[Placed]:
        return [placed for other, placed in self.placed.values() if other == kind]

    def kinds(self) -> list[str]:
        return list(dict.fromkeys(kind for kind, _ in self.placed.values()))

    def _write(self) -> None:
        if not self.placed:
            self._path.unlink(missing_ok=True)
            return
        agents = {
            name: {"kind": kind, "address": placed.address, "handle": dict(placed.handle)}
            for name, (kind, placed) in self.placed.items()
        }
        new = self._path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump({"version": LAUNCHED_VERSION, "agents": agents}, file, indent=1)
        os.replace(new, self._path)


@contextlib.contextmanager
def launch_state(fleet: FleetFile) -> Iterator[LaunchState]:
    """Held by one command at a time. Raises FleetError where another one holds it, or the file is no such state."""
    path = state_path(fleet)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FleetError(f"{path}: another perfgate fleet command is at work on this fleet; wait for it") from error
        yield LaunchState(path, _read(path))


def _read(path: Path) -> dict[str, tuple[str, Placed]]:
    if not path.exists():
        return {}
    try:
        agents = json.loads(path.read_text(encoding="utf-8"))["agents"]
        return {
            name: (str(one["kind"]), Placed(name, str(one["address"]), dict(one["handle"])))
            for name, one in agents.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FleetError(f"{path}: is no record of a launched fleet ({error!r}); end its agents by hand") from error
