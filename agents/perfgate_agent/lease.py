"""Who holds the agent. One session at a time; the stream that opened it is the lease."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from perfgate.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True)
class Lease:
    """token names the session; holder and run are what the controller calls itself and what it does."""

    token: str
    holder: str
    run: str
    since_wall_ns: int


class LeaseBook:
    """Hands out at most one lease."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.current: Lease | None = None

    def take(self, holder: str, run: str) -> Lease | None:
        """A new lease, or None while somebody holds one."""
        if self.current is not None:
            return None
        self.current = Lease(secrets.token_hex(8), holder, run, self._clock.wall_ns())
        return self.current

    def release(self, lease: Lease) -> None:
        """Giving back a lease that is not the current one changes nothing."""
        if self.current == lease:
            self.current = None
