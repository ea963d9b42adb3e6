"""One worker of the load generator over the measured requests of a run or a pair: how late it was, what it used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from perfgate.histogram import Histogram
from perfgate.usage import Usage


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """worker: `agent/number`. lag, wait: of its measured requests, as in Interval; empty where a slow stream made its
    intervals come joined with another worker's. usage: nothing known where an older agent did not say."""

    worker: str
    lag: Histogram
    wait: Histogram
    usage: Usage = field(default_factory=Usage)

    @property
    def label(self) -> str:
        """`worker 2 of agent local-1`."""
        agent, _, number = self.worker.rpartition("/")
        return f"worker {number} of agent {agent}" if agent else f"worker {self.worker}"

    @property
    def agent(self) -> str:
        return self.worker.rpartition("/")[0]

    @classmethod
    def merge(cls, parts: Iterable[WorkerLoad]) -> tuple[WorkerLoad, ...]:
        """One a worker, in the order of their first appearance: of several pairs, say."""
        by_worker: dict[str, list[WorkerLoad]] = {}
        for part in parts:
            by_worker.setdefault(part.worker, []).append(part)
        return tuple(
            cls(
                worker=worker,
                lag=Histogram.merge([part.lag for part in own]),
                wait=Histogram.merge([part.wait for part in own]),
                usage=Usage.merge(part.usage for part in own),
            )
            for worker, own in by_worker.items()
        )
