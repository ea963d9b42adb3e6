"""What one worker says of itself at the end of a run: the counts that must add up, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from perfgate.usage import Usage


@dataclass(frozen=True, slots=True)
class LoadReport:
    """due = completed + failed + abandoned when nothing was lost. saturated: load was cut because the store fell
    behind beyond the bound; lost: the store refused every connection; stopped: somebody ended the run early. usage: what
    the worker process used of its machine meanwhile."""

    worker: str
    due: int
    sent: int
    completed: int
    failed: int
    abandoned: int
    saturated: bool = False
    lost: bool = False
    stopped: bool = False
    usage: Usage = field(default_factory=Usage)

    @property
    def cpu_ns(self) -> int:
        """Of the worker process, over all of the run."""
        return self.usage.cpu_ns

    @property
    def wall_ns(self) -> int:
        return self.usage.wall_ns

    @property
    def involuntary_switches(self) -> int:
        return self.usage.involuntary_switches

    @property
    def reconciles(self) -> bool:
        """Every request that was due ended in exactly one way."""
        return self.due == self.completed + self.failed + self.abandoned
