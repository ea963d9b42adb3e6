"""The data directory: whose it is, what it holds, and how a stop keeps it whole."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from pathlib import Path
from typing import IO, Any

import orjson

from perfgate.errors import InputError
from perfgate.store.memory_space import MemorySpace

FORMAT = 1
_MARKER = "store.json"


class DataDir:
    """A directory of one store at a time (a lock on it is held until the process ends).

    The marker `store.json` says format, dimension, identity and which state directory counts. A new state is written
    beside the old one and then the marker is replaced by a rename, so that a stop that breaks off leaves the old state.
    Nothing is flushed to the disk: it outlives the process, not a power cut.

    Raises InputError for a directory that holds something else, another dimension, or is in use.
    """

    def __init__(self, path: Path, dim: int) -> None:
        self._path = path
        self._dim = dim
        self._marker: dict[str, Any] = {"format": FORMAT, "dim": dim, "identity": uuid.uuid4().hex, "state": None}
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = self._take()
            self._read_marker()
            self._write_marker()
        except OSError as error:
            raise InputError(f"--data-dir {str(path)!r}: {error.strerror or error}; choose another directory") from None

    @property
    def identity(self) -> str:
        """Given when the directory was new; stays with it."""
        return str(self._marker["identity"])

    def load(self, lose_index: bool = False) -> dict[str, MemorySpace]:
        """The spaces of the last orderly stop, by name; without what their embedding search needs, if that is to be lost."""
        if self._marker["state"] is None:
            return {}
        state = self._path / self._marker["state"]
        return {entry.name: MemorySpace.load(entry, self._dim, lose_index) for entry in sorted(state.iterdir())}

    def save(self, spaces: dict[str, MemorySpace]) -> None:
        """All spaces, by name, as a state of their own; the one before is removed once the new one counts."""
        old, new = self._marker["state"], f"state-{uuid.uuid4().hex[:12]}"
        (self._path / new).mkdir()
        for name, space in spaces.items():
            space.save(self._path / new / name)
        self._marker["state"] = new
        self._write_marker()
        if old is not None:
            shutil.rmtree(self._path / old, ignore_errors=True)

    def _take(self) -> IO[bytes]:
        lock = (self._path / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise InputError(
                f"--data-dir {str(self._path)!r} is in use by another store: stop it or choose another directory"
            ) from None
        return lock

    def _read_marker(self) -> None:
        path = self._path / _MARKER
        if not path.exists():
            if any(entry.name != "lock" for entry in self._path.iterdir()):
                raise InputError(
                    f"--data-dir {str(self._path)!r} holds files that are not a store's: give an empty directory"
                )
            return
        try:
            found = orjson.loads(path.read_bytes())
            same_format, dim = found["format"] == FORMAT, int(found["dim"])
        except (ValueError, KeyError, TypeError):
            same_format, dim = False, 0
        if not same_format:
            raise InputError(
                f"--data-dir {str(self._path)!r} is of another version of the store: give an empty directory"
            )
        if dim != self._dim:
            raise InputError(
                f"--data-dir {str(self._path)!r} holds vectors of dimension {dim}, but --dim is {self._dim}: "
                f"write --dim {dim} or give an empty directory"
            )
        self._marker = found

    def _write_marker(self) -> None:
        path = self._path / _MARKER
        fresh = path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(self._marker))
        os.replace(fresh, path)
