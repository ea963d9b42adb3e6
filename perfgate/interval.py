"""What one worker recorded for one segment, in at most about a second of it: the unit that is streamed and merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perfgate.histogram import Histogram
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.plain_state import plain_state

RECALL_STEPS = 10
"""Shares of the true answers found are counted in tenths, from 0 to 10 of them."""
FAILED_KEYS_KEPT = 1_000
"""Identities of failed requests an interval keeps for the paired test of errors; counts are never cut."""


@plain_state
@dataclass(frozen=True, slots=True)
class OperationInterval:
    """One operation's share of an interval.

    response, service: latencies in ns of the requests whose outcome is OK: done - intended, done - sent.
    outcomes: how many requests ended each way, by `Outcome` code (length len(OUTCOMES)).
    checked: replies checked deeply; found of expected: true neighbours returned by checked searches (recall@k),
    or the wanted memory by checked recalls.
    recalls: how many of the checked replies found 0, 1, … 10 tenths (rounded down) of what was expected of them; empty
    where none was checked, or where it is not known.
    failed: plan indices (Requests.index) of failed requests, at most FAILED_KEYS_KEPT.
    """

    response: Histogram
    service: Histogram
    outcomes: tuple[int, ...]
    checked: int = 0
    found: int = 0
    expected: int = 0
    failed: tuple[int, ...] = ()
    recalls: tuple[int, ...] = ()

    @classmethod
    def empty(cls) -> OperationInterval:
        return cls(Histogram.empty(), Histogram.empty(), (0,) * len(OUTCOMES))

    @property
    def completed(self) -> int:
        """Requests answered as they should be."""
        return self.outcomes[Outcome.OK]

    @property
    def total(self) -> int:
        """Requests that ended in any way."""
        return sum(self.outcomes)

    @property
    def failures(self) -> int:
        """Of every outcome but OK."""
        return self.total - self.completed

    @classmethod
    def merge(cls, parts: Iterable[OperationInterval]) -> OperationInterval:
        """Exact and associative."""
        parts = list(parts)
        if not parts:
            return cls.empty()
        return cls(
            response=Histogram.merge([part.response for part in parts]),
            service=Histogram.merge([part.service for part in parts]),
            outcomes=tuple(sum(counts) for counts in zip(*(part.outcomes for part in parts), strict=True)),
            checked=sum(part.checked for part in parts),
            found=sum(part.found for part in parts),
            expected=sum(part.expected for part in parts),
            failed=tuple(sorted(index for part in parts for index in part.failed))[:FAILED_KEYS_KEPT],
            recalls=tuple(
                sum(counts) for counts in zip(*(part.recalls for part in parts if part.recalls), strict=True)
            ),
        )


@plain_state
@dataclass(frozen=True, slots=True)
class Interval:
    """One worker's record of a part of one segment.

    segment: Segment.number. start_ns, end_ns: on the run's clock, by intended time.
    due: requests whose intended time lies in the interval; sent: of these, how many went out.
    last_done_ns: when the last reply came, on the run's clock (0 when none did).
    lag: in ns, from the intended time until the generator was ready to send: its own error. wait: from then until the
    request went out, where it had to wait for a connection; a slow store can cause that, so it is no part of the lag.
    """

    segment: int
    start_ns: int
    end_ns: int
    due: int
    sent: int
    last_done_ns: int
    operations: Mapping[Operation, OperationInterval]
    lag: Histogram
    wait: Histogram
    worker: str = ""
    examples: tuple[str, ...] = field(default=())
    """At most one truncated example a kind of failure."""
    spaces: Mapping[str, Mapping[Operation, OperationInterval]] = field(default_factory=dict)
    """The same as `operations`, by group of memory spaces; empty where the scenario has no `[spaces]`."""

    @property
    def completed(self) -> int:
        return sum(part.completed for part in self.operations.values())

    @property
    def failures(self) -> int:
        return sum(part.failures for part in self.operations.values())

    @property
    def total(self) -> int:
        return sum(part.total for part in self.operations.values())

    @classmethod
    def merge(cls, parts: Iterable[Interval]) -> Interval:
        """Joins intervals of one segment: of several workers, or of neighbouring times. Exact, associative.

        Raises ValueError for parts of different segments or for none.
        """
        parts = list(parts)
        if not parts:
            raise ValueError("cannot merge no intervals")
        if len({part.segment for part in parts}) != 1:
            raise ValueError(f"cannot merge intervals of segments {sorted({part.segment for part in parts})}")
        groups = sorted({name for part in parts for name in part.spaces})
        return cls(
            segment=parts[0].segment,
            start_ns=min(part.start_ns for part in parts),
            end_ns=max(part.end_ns for part in parts),
            due=sum(part.due for part in parts),
            sent=sum(part.sent for part in parts),
            last_done_ns=max(part.last_done_ns for part in parts),
            operations=merge_operations(part.operations for part in parts),
            lag=Histogram.merge([part.lag for part in parts]),
            wait=Histogram.merge([part.wait for part in parts]),
            worker="+".join(sorted({name for part in parts for name in part.worker.split("+") if name})),
            examples=tuple(dict.fromkeys(example for part in parts for example in part.examples))[: len(OUTCOMES)],
            spaces={name: merge_operations(part.spaces.get(name, {}) for part in parts) for name in groups},
        )


def merge_operations(parts: Iterable[Mapping[Operation, OperationInterval]]) -> dict[Operation, OperationInterval]:
    """What several hold of each operation, merged."""
    parts = list(parts)
    names = sorted({name for part in parts for name in part})
    return {name: OperationInterval.merge(part[name] for part in parts if name in part) for name in names}
