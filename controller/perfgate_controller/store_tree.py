"""A store's processes, which can be stopped and let go on: so that several are there at once, and one alone runs.

Read from /proc and signalled directly, so on this machine alone. A store of which not everything can be stopped (a container's
server is no child of ours, another user's process takes no signals) is refused, never half stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from perfgate_agent.ports import descendants, listeners

from perfgate.address import Address
from perfgate.errors import PerfgateError

STOPPED = "Tt"
GONE = "ZX"
PATIENCE_S = 3.0
"""For a process that waits for the disk: it stops when that is over."""
POLL_S = 0.002


class CannotPause(PerfgateError):
    """A store that cannot be stopped as a whole; its text says why."""


@dataclass(frozen=True, slots=True)
class Rest:
    """stopped: whether all processes of a store stood still. ticks: processor time they have used so far, clock ticks."""

    stopped: bool
    ticks: int


class StoreTree:
    """The process `pid` and all below it."""

    def __init__(self, pid: int, label: str, address: Address) -> None:
        self.label = label
        self._pid = pid
        self._address = address
        self._held: set[int] = set()

    def check(self) -> None:
        """Raises CannotPause where somebody else than these processes answers for the store."""
        owners = listeners(self._address.path or self._address.port)
        if not owners or not owners <= descendants(self._pid):
            raise CannotPause(f"what listens for {self.label} is not below the process that was started (a container?)")

    async def pause(self) -> None:
        """Until every process stands still, also those born meanwhile. Raises CannotPause; then all go on."""
        ends = time.monotonic() + PATIENCE_S
        while True:
            now = descendants(self._pid)
            self._send(signal.SIGSTOP, now)
            if now <= self._held and all(_state(pid)[0] in STOPPED + GONE for pid in now):
                return
            self._held = now
            if time.monotonic() > ends:
                self.resume()
                raise CannotPause(f"{self.label} does not stop within {PATIENCE_S:g} s")
            await asyncio.sleep(POLL_S)

    def resume(self) -> None:
        """Harmless for those that run, and for a store that has ended."""
        held, self._held = self._held, set()
        for pid in held:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGCONT)

    def rest(self) -> Rest:
        """How it stands with those that were paused."""
        states = [_state(pid) for pid in sorted(self._held)]
        return Rest(
            all(state in STOPPED + GONE for state, _ in states) and bool(states), sum(ticks for _, ticks in states)
        )

    def _send(self, number: signal.Signals, pids: set[int]) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
            except PermissionError as error:
                self._held |= pids
                self.resume()
                raise CannotPause(
                    f"process {pid} of {self.label} belongs to another user: it cannot be stopped"
                ) from error


def _state(pid: int) -> tuple[str, int]:
    """(state as in proc(5), clock ticks used); one that has ended is dead and has used nothing more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[11]) + int(fields[12])


def room_left() -> float | None:
    """Share of the machine's memory that is available; None where /proc does not say."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) / int(lines["MemTotal"].split()[0])
    except (OSError, KeyError, ValueError, ZeroDivisionError):
        return None
