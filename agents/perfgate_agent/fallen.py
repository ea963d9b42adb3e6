"""A worker whose process has ended in the middle of a load: what it had to send, and what is there of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from perfgate.interval import Interval
from perfgate.load_report import LoadReport


@dataclass(frozen=True, slots=True)
class Fallen:
    """lanes: what it had to send. ended_ns: on the run's clock; it sent nothing after this. due: requests in the intervals
    that came of it."""

    worker: str
    lanes: tuple[int, ...]
    ended_ns: int
    due: int


class Recorded:
    """What one worker has been given of a load, and what its intervals count so far."""

    def __init__(self, lanes: Iterable[int]) -> None:
        self.lanes = tuple(lanes)
        self.due = self.sent = self.completed = self.failed = 0

    def take(self, interval: Interval) -> None:
        self.due += interval.due
        self.sent += interval.sent
        self.completed += interval.completed
        self.failed += interval.failures

    def report(self, worker: str) -> LoadReport:
        """In place of its own, of a worker that cannot tell any more: of what had come in."""
        return LoadReport(
            worker=worker, due=self.due, sent=self.sent, completed=self.completed, failed=self.failed, abandoned=0
        )
