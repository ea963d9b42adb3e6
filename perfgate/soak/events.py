"""What stood out in a run, in a bounded list: seconds that failed, stood still, or that the generator spoilt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from perfgate.interval import Interval
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.units import NS_PER_S, format_count, format_duration

MOST = 200
STALL_NS = NS_PER_S
GAP_NS = 2 * NS_PER_S
"""Seconds of one kind that lie closer together are one event."""


@dataclass(frozen=True, slots=True)
class Event:
    """kind: `stall`, `failures`, `generator late`, `store ended`, …; from start_ns to end_ns of the run's clock. size: of a
    stall the longest wait in ns, of failures how many, of lateness the worst lag in ns."""

    kind: str
    start_ns: int
    end_ns: int
    size: float = 0.0
    text: str = ""


@dataclass(slots=True)
class Events:
    """The newest MOST are kept, and how many there were of each kind. lag_limit_ns: beyond which the generator is late."""

    lag_limit_ns: float
    stall_ns: float = STALL_NS
    kept: list[Event] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def take(self, interval: Interval) -> None:
        """A worker's second."""
        about = (interval.start_ns, interval.end_ns)
        longest = max((part.response.max_ns for part in interval.operations.values()), default=0)
        if longest >= self.stall_ns:
            self.add(Event("stall", *about, longest, f"a reply took {format_duration(longest)}"))
        if interval.failures:
            self.add(Event("failures", *about, interval.failures, _kinds([interval])))
        if interval.lag.total and interval.lag.quantile(0.99) > self.lag_limit_ns:
            late = float(interval.lag.quantile(0.99))
            self.add(
                Event("generator late", *about, late, f"by {format_duration(late)} at the p99: not the store's doing")
            )

    def add(self, event: Event) -> None:
        """Joined with the newest of its kind where they are close."""
        for place in range(len(self.kept) - 1, -1, -1):
            known = self.kept[place]
            if (
                known.kind == event.kind
                and event.start_ns <= known.end_ns + GAP_NS
                and event.end_ns >= known.start_ns - GAP_NS
            ):
                self.kept[place] = _join(known, event)
                return
        self.counts[event.kind] = self.counts.get(event.kind, 0) + 1
        self.kept.append(event)
        del self.kept[:-MOST]

    @property
    def dropped(self) -> int:
        """How many were too many to keep."""
        return sum(self.counts.values()) - len(self.kept)


def _join(known: Event, event: Event) -> Event:
    added = known.kind == "failures"
    size = known.size + event.size if added else max(known.size, event.size)
    text = known.text if known.size >= event.size or added else event.text
    if added:
        text = f"{format_count(size)} requests failed" + (
            f": {known.text.partition(': ')[2]}" if ": " in known.text else ""
        )
    return Event(known.kind, min(known.start_ns, event.start_ns), max(known.end_ns, event.end_ns), size, text)


def _kinds(intervals: Iterable[Interval]) -> str:
    parts = [part for interval in intervals for part in interval.operations.values()]
    counts = {
        outcome: sum(part.outcomes[outcome] for part in parts) for outcome in OUTCOMES if outcome is not Outcome.OK
    }
    named = ", ".join(outcome.label for outcome, count in counts.items() if count)
    return f"{format_count(sum(counts.values()))} requests failed: {named}"
