"""One measurement at a time on a host: whoever comes later waits in a queue, or is told who is there.

Each measurement holds a ticket: a file whose name says when it came, locked for as long as its process lives. The first
ticket that is locked is served; those of ended processes are not locked any more, so nothing stale stands in the way.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import InputError

VARIABLE = "PERFGATE_QUEUE"
SUFFIX = ".ticket"
ANYBODY = 0o1777
"""Every user of the host may queue, and remove no ticket but his own."""
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Ticket:
    """Somebody's place: pid, since when (seconds since the epoch), and what for."""

    path: Path
    pid: int
    since: float
    what: str

    def __str__(self) -> str:
        return f"{self.what} (pid {self.pid}, since {time.strftime('%H:%M:%S', time.localtime(self.since))})"


class HostQueue:
    """The queue in `directory` (default: PERFGATE_QUEUE, or one for the whole host). Raises InputError where it cannot be
    used."""

    def __init__(self, directory: Path | None = None) -> None:
        named = os.environ.get(VARIABLE)
        self.directory = directory or Path(named or Path(tempfile.gettempdir()) / "perfgate-queue")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(PermissionError):  # somebody else's, made so already
                self.directory.chmod(ANYBODY)
            if not stat.S_ISDIR(self.directory.lstat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "not a directory")
        except OSError as error:
            raise InputError(f"{self.directory}: {error.strerror}; give another one as {VARIABLE}") from error

    @contextlib.contextmanager
    def turn(self, what: str, wait_s: float, told: Callable[[int, Ticket], None] | None = None) -> Iterator[None]:
        """Wait for one's turn and hold it. told: how many are before, and the one that is being served; called whenever
        that changes. Raises InputError when it has not come after wait_s seconds."""
        path, file = self._draw(what)
        try:
            self._await(path, wait_s, told)
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(file)

    def before(self, path: Path) -> list[Ticket]:
        """The living tickets drawn before this one, in their order; dead ones are cleared away."""
        tickets = []
        for other in sorted(self.directory.glob(f"*{SUFFIX}")):
            if other.name >= path.name:
                break
            if (ticket := _alive(other)) is not None:
                tickets.append(ticket)
        return tickets

    def _draw(self, what: str) -> tuple[Path, int]:
        now = time.time()
        path = self.directory / f"{time.time_ns():020d}-{os.getpid()}{SUFFIX}"
        fresh = path.with_suffix(".new")  # locked before it counts: a ticket without a lock is a dead one
        try:
            file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            fcntl.flock(file, fcntl.LOCK_EX)
            os.write(file, json.dumps({"pid": os.getpid(), "since": now, "what": what}).encode())
            fresh.rename(path)
        except OSError as error:
            raise InputError(f"{self.directory}: {error.strerror}; give another one as {VARIABLE}") from error
        return path, file

    def _await(self, path: Path, wait_s: float, told: Callable[[int, Ticket], None] | None) -> None:
        ends = time.monotonic() + wait_s
        last: tuple[int, Path] | None = None
        while tickets := self.before(path):
            if time.monotonic() >= ends:
                count = f"{len(tickets)} are before it; served is " if len(tickets) > 1 else ""
                raise InputError(
                    f"this host is measuring already: {count}{tickets[0]}. Two measurements at once spoil each other: use "
                    "--wait 30m to queue for it"
                )
            state = (len(tickets), tickets[0].path)
            if told is not None and state != last:
                told(len(tickets), tickets[0])
            last = state
            time.sleep(min(POLL_S, max(0.0, ends - time.monotonic())))


def _alive(path: Path) -> Ticket | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None  # gone meanwhile, or no ticket
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _ticket(path, _about(file))
    else:
        with contextlib.suppress(OSError):  # of another user: dead as it is, it does no harm
            path.unlink()
        return None
    finally:
        os.close(file)


def _ticket(path: Path, about: dict[str, object]) -> Ticket:
    pid, since = about.get("pid"), about.get("since")
    return Ticket(
        path,
        pid if isinstance(pid, int) else 0,
        float(since) if isinstance(since, int | float) else 0.0,
        str(about.get("what", "somebody")),
    )


def _about(file: int) -> dict[str, object]:
    try:
        found = json.loads(os.read(file, 4096))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
