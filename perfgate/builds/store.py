"""Keeps what was built, by what it was built from, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from perfgate.errors import InputError

MOST = 40
MOST_BYTES = 10 * 1024**3
IN_USE_S = 24 * 3600.0
"""What was used within a day is never removed: a gate may be running from it."""
ABOUT = "build.json"
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Kept:
    """directory: what {artifact} stands for. about: what the build says of itself."""

    directory: Path
    about: Mapping[str, Any]


class BuildStore:
    """Below `directory`: one directory a key with the artifacts in it; complete or not there."""

    def __init__(self, directory: Path, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self.directory = directory
        self._most = most
        self._most_bytes = most_bytes

    def find(self, key: str) -> Kept | None:
        """The build of this key, which counts as used from now on; None where it is not kept."""
        place = self.directory / key
        try:
            about = json.loads((place / ABOUT).read_text(encoding="utf-8"))
            os.utime(place / ABOUT)
        except (OSError, ValueError):
            return None
        return Kept(place / "artifacts", about)

    def keep(self, key: str, files: Mapping[str, Path], about: Mapping[str, Any]) -> Kept:
        """Copy files and directories in under their names, and drop what is beyond the bounds. Raises InputError where
        they cannot be written."""
        fresh = self.directory / f".{key}-{os.getpid()}"
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            (fresh / "artifacts").mkdir(parents=True)
            for name, path in files.items():
                if path.is_dir():
                    shutil.copytree(path, fresh / "artifacts" / name, symlinks=True)
                else:
                    shutil.copy2(path, fresh / "artifacts" / name)
            (fresh / ABOUT).write_text(json.dumps(dict(about), indent=1, sort_keys=True) + "\n", encoding="utf-8")
            with contextlib.suppress(OSError):  # another process may have kept the same meanwhile
                fresh.rename(self.directory / key)
        except (OSError, shutil.Error) as error:
            raise InputError(f"{self.directory}: the build cannot be kept ({error}); make room there") from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self._prune(key)
        found = self.find(key)
        if found is None:
            raise InputError(f"{self.directory / key}: is damaged; remove it")
        return found

    @contextlib.asynccontextmanager
    async def only_one(self, name: str, waits: Callable[[], None]) -> AsyncIterator[None]:
        """Held by one process at a time; let go however it ends. waits: called once, where another one has it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / f"{name}.lock").open("w") as lock:
            told = False
            while not _taken(lock):
                if not told:
                    waits()
                    told = True
                await asyncio.sleep(POLL_S)  # waiting in the kernel would leave Ctrl-C unheard
            yield

    def _prune(self, newest: str) -> None:
        """The least recently used first."""
        total, now = 0, time.time()
        for number, (used, place) in enumerate(sorted(self._entries(), reverse=True)):
            total += _size(place)
            too_many = number >= self._most or total > self._most_bytes
            if too_many and place.name != newest and now - used > IN_USE_S:
                shutil.rmtree(place, ignore_errors=True)

    def _entries(self) -> Iterator[tuple[float, Path]]:
        for about in self.directory.glob(f"[!.]*/{ABOUT}"):
            with contextlib.suppress(OSError):
                yield about.stat().st_mtime, about.parent


def _taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _size(place: Path) -> int:
    total = 0
    for path in place.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total
