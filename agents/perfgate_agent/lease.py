"""Who holds the agent, and who waits for it. One session at a time; the stream that opened it is the lease."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from perfgate.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True)
class Lease:
    """token names the session; holder and run are what the controller calls itself and what it does; run_id is the same for
    all agents of a run."""

    token: str
    holder: str
    run: str
    since_wall_ns: int
    run_id: str = ""


class Place:
    """In the queue. `lease` is there when its turn has come; `moved` is set whenever something has changed."""

    def __init__(self, holder: str, run: str, run_id: str) -> None:
        self.holder, self.run, self.run_id = holder, run, run_id
        self.lease: Lease | None = None
        self.moved = asyncio.Event()


class LeaseBook:
    """Hands out at most one lease, in the order in which it was asked for."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._places: list[Place] = []
        self.current: Lease | None = None

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        return len(self._places)

    def take(self, holder: str, run: str, run_id: str = "") -> Lease | None:
        """A new lease, or None while somebody holds one or waits for it."""
        if self.current is not None or self._places:
            return None
        self.current = Lease(secrets.token_hex(8), holder, run, self._clock.wall_ns(), run_id)
        return self.current

    def release(self, lease: Lease) -> None:
        """The next one in the queue gets it. Giving back a lease that is not the current one changes nothing."""
        if self.current == lease:
            self.current = None
            self._serve()

    def queue(self, holder: str, run: str, run_id: str = "") -> Place:
        """A place at the end of the queue."""
        place = Place(holder, run, run_id)
        self._places.append(place)
        self._serve()
        return place

    def leave(self, place: Place) -> None:
        """Waiting no more; a lease that it has got meanwhile is given back."""
        if place in self._places:
            self._places.remove(place)
            self._tell()
        elif place.lease is not None:
            self.release(place.lease)

    def before(self, place: Place) -> int:
        """How many come before it, the one that holds the agent included."""
        return self._places.index(place) + (self.current is not None) if place in self._places else 0

    def _serve(self) -> None:
        if self.current is None and self._places:
            place = self._places.pop(0)
            self.current = place.lease = Lease(
                secrets.token_hex(8), place.holder, place.run, self._clock.wall_ns(), place.run_id
            )
            place.moved.set()
        self._tell()

    def _tell(self) -> None:
        for place in self._places:
            place.moved.set()
