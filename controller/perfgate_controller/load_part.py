"""One agent's part of a load, as the controller knows it: lanes, permit, what has come in, how it ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.units import NS_PER_MS

DEAD_NS = 100 * NS_PER_MS
"""From the end of a process until its death is known, at most, on one machine."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one agent says at the end of a load. difference: how its counts and those that came in differ; empty: they do
    not."""

    reports: tuple[LoadReport, ...]
    steal_fraction: float
    difference: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of requests: due, sent, completed, and ended in any other way (failed or given up)."""

    due: int = 0
    sent: int = 0
    completed: int = 0
    ended: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.due + other.due, self.sent + other.sent, self.completed + other.completed, self.ended + other.ended
        )

    @classmethod
    def of_interval(cls, interval: Interval) -> Counts:
        return cls(interval.due, interval.sent, interval.completed, interval.failures)

    @classmethod
    def of_reports(cls, reports: Iterable[LoadReport]) -> Counts:
        total = cls()
        for one in reports:
            total += cls(one.due, one.sent, one.completed, one.failed + one.abandoned)
        return total

    def __str__(self) -> str:
        return f"{self.due} due, {self.sent} sent, {self.completed} completed, {self.ended} failed or given up"


@dataclass(frozen=True, slots=True)
class WorkerLoss:
    """A worker's process has ended. lanes: what it had to send, and since when; ended_ns: it sent nothing after this; both
    on the run's clock. due: requests of it that came in."""

    worker: str
    lanes: Mapping[int, int]
    ended_ns: int
    due: int


class LoadPart:
    """Of load number `epoch`. lanes: since when the agent sends each, on the run's clock."""

    def __init__(self, epoch: int, lanes: Iterable[int]) -> None:
        self.epoch = epoch
        self.lanes: dict[int, int] = dict.fromkeys(lanes, 0)
        self.start_ns = 0
        """Of the run's clock, on the controller's."""
        self.permit_ns = 0
        """What is due before may have been sent, and nothing else."""
        self.began_ns: int | None = None
        """When the agent's last worker began, by the agent's clock."""
        self.counts = Counts()
        self.finished: asyncio.Future[LoadResult] = asyncio.get_running_loop().create_future()
        self.fallen: deque[WorkerLoss] = deque()
        """Whose lanes nobody sends any more, and nobody has been asked to."""
        self.on_fallen: Callable[[], None] = lambda: None
        self.past: list[WorkerLoss] = []
        self._reached: dict[str, int] = {}

    @property
    def running(self) -> bool:
        return self.start_ns > 0 and not self.finished.done()

    @property
    def received_ns(self) -> int:
        """All that was due before this has come in, of all workers that have sent anything."""
        return min(self._reached.values(), default=0)

    def received_of(self, worker: str) -> int:
        """The same of one worker."""
        return self._reached.get(worker, 0)

    def fall(self, worker: str, lanes: Iterable[int], ended_ns: int, due: int) -> None:
        """These lanes are not the agent's any more. Those that it never had are none of it."""
        given = {lane: self.lanes.pop(lane) for lane in lanes if lane in self.lanes}
        loss = WorkerLoss(worker, given, ended_ns, due)
        self.past.append(loss)
        self.fallen.append(loss)
        self.on_fallen()

    def renew(self, heard_ns: int, lease_ns: int) -> int:
        """The permit that goes with an agent heard at heard_ns (controller's clock)."""
        self.permit_ns = max(self.permit_ns, heard_ns - self.start_ns + lease_ns)
        return self.permit_ns

    def die(self, now_ns: int) -> None:
        """The agent's process is no more, and what it had made ready is not sent any more."""
        self.permit_ns = min(self.permit_ns, max(0, now_ns - self.start_ns) + DEAD_NS)

    def take(self, interval: Interval) -> None:
        """Count what has come in."""
        self.counts += Counts.of_interval(interval)
        for worker in interval.worker.split("+"):
            self._reached[worker] = max(self._reached.get(worker, 0), interval.end_ns)

    def end(self, reports: tuple[LoadReport, ...], steal_fraction: float) -> None:
        """The agent's last word on it."""
        told = Counts.of_reports(reports)
        difference = "" if told == self.counts else f"its workers count {told}; {self.counts} came in"
        if not self.finished.done():
            self.finished.set_result(LoadResult(reports, steal_fraction, difference))

    def fail(self, error: Exception) -> None:
        """`error` is raised for whoever waits for the load's end; only the first end counts."""
        if not self.finished.done():
            self.finished.set_exception(error)
            self.finished.exception()  # whoever waits sees it; nobody waiting is no error of its own
