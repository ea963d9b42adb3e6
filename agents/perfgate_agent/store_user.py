"""As which user the host skill starts stores, where the owner of the machine says so: one that may do less than the agent."""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import InputError, TargetError

SPAWN = Path(__file__).with_name("spawn.py")
THROUGH = 0o011
"""Others may pass through a directory, but not list it."""


@dataclass(frozen=True, slots=True)
class StoreUser:
    """Made by `find_user`."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def spawn_words(self) -> tuple[str, ...]:
        """Of spawn.py, before the command."""
        return ("--as", str(self.uid), str(self.gid), ",".join(map(str, self.groups)) or "-")

    def environment(self, home: Path) -> dict[str, str]:
        """What would otherwise speak of the agent's own user."""
        return {"HOME": str(home), "USER": self.name, "LOGNAME": self.name}

    def make(self, directory: Path) -> Path:
        """An empty directory of its own, in one that is the agent's alone: there nobody can put a link in its place."""
        directory.mkdir()
        os.chown(directory, self.uid, self.gid)
        return directory

    async def copy(self, source: Path, target: Path) -> None:
        """All that is in a directory of its own into another one. By the user itself: a link that a store has left there leads
        nowhere that the store could not go. Raises TargetError."""
        command = (sys.executable, "-I", "-S", str(SPAWN), str(os.getpid()), "-", "normal", *self.spawn_words)
        process = await asyncio.create_subprocess_exec(
            *command, "cp", "-a", "--", f"{source}/.", str(target),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await process.communicate()
        if process.returncode:
            raise TargetError(
                f"the store's data cannot be copied by user {self.name}: {errors.decode().strip()[-300:]}"
            )


def let_through(*directories: Path) -> None:
    """So that stores of another user reach what is theirs below."""
    for directory in directories:
        directory.chmod(directory.stat().st_mode | THROUGH)


def find_user(name: str, field: str) -> StoreUser:
    """Raises InputError for one that there is not, and for an agent that cannot become somebody else."""
    try:
        known = pwd.getpwnam(name)
    except KeyError:
        raise InputError(
            f"{field} = {name!r}: this machine has no such user; useradd --system {name} makes one"
        ) from None
    if os.geteuid() != 0:
        raise InputError(
            f"{field} = {name!r}: only an agent that runs as root can start stores as another user; run it as root, or leave "
            "this away, and stores run as the agent's own user"
        )
    if known.pw_uid == 0:
        raise InputError(f"{field} = {name!r}: that is root itself; name a user that may do less")
    groups = tuple(sorted({*os.getgrouplist(name, known.pw_gid)} - {known.pw_gid}))
    return StoreUser(name, known.pw_uid, known.pw_gid, groups)
