"""Which lanes a worker sends, from when on, and until when it may. All times are on the run's clock (0: the common start)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

FOREVER = 1 << 62
"""The permit of a load that needs none."""


class Share:
    """Lanes are only ever added: each is sent from a time on, and no request of it from before."""

    def __init__(self, lanes: Iterable[int]) -> None:
        self._parts: list[tuple[int, tuple[int, ...]]] = [(-FOREVER, tuple(lanes))]
        self.reached_ns = -FOREVER
        """Requests that are due before this have been made."""
        self.permit_ns = FOREVER
        """Requests that are due from this on must not be sent (yet)."""

    @classmethod
    def of(cls, lanes: Iterable[int] | Share) -> Share:
        """A share that exists already is taken as it is."""
        return lanes if isinstance(lanes, Share) else cls(lanes)

    def permit(self, until_ns: int) -> None:
        """Later permits only ever go further: they may overtake each other."""
        self.permit_ns = until_ns if self.permit_ns == FOREVER else max(self.permit_ns, until_ns)

    def take(self, lanes: Iterable[int], from_ns: int) -> int:
        """Send these lanes, too. Returns since when: later than asked for where requests have been made beyond that."""
        since = max(from_ns, self.reached_ns)
        new = tuple(lane for lane in lanes if not any(lane in own for _, own in self._parts))
        if new:
            self._parts.append((since, new))
        return since

    def windows(self, start_ns: int, end_ns: int) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """[start_ns, end_ns) in parts of unchanging lanes: (start, end, lanes). What is yielded counts as made."""
        while start_ns < end_ns:
            later = [since for since, _ in self._parts if start_ns < since < end_ns]
            end = min(later, default=end_ns)
            self.reached_ns = max(self.reached_ns, end)
            yield start_ns, end, self.lanes_at(start_ns)
            start_ns = end

    def lanes_at(self, time_ns: int) -> tuple[int, ...]:
        """In ascending order."""
        return tuple(sorted([lane for since, lanes in self._parts if since <= time_ns for lane in lanes]))
