"""The nouns of a competition: stores, and what each of their turns in a round measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from perfgate.operation import Operation

SATURATED = "saturated"
FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Store:
    """One of those compared; the first of a competition is ours. values: of its search parameter, as text; one that is empty
    where it has none. batch, connections: how it was loaded."""

    label: str
    target: str
    variant: str
    version: str
    durability: str
    licence: str
    parameter: str
    values: tuple[str, ...]
    batch: int
    connections: int
    digest: str
    """Of the target file's content."""


@dataclass(frozen=True, slots=True)
class OperationReading:
    """Response times in ns of what was answered, and how much of that was checked and right; recalls as of
    perfgate.interval.OperationInterval. groups: (p50, p95, p99) of each group of neighbouring slices, the same groups for
    every store of a round, None for one that was dropped; empty where it was measured in one piece."""

    completed: int
    failed: int
    p50: float
    p95: float
    p99: float
    found: int = 0
    expected: int = 0
    recalls: tuple[int, ...] = ()
    groups: tuple[tuple[float, float, float] | None, ...] = ()

    def quantile(self, name: str) -> float:
        """name: p50, p95 or p99. In ns."""
        return float(getattr(self, name))


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a store's search parameter in one round. fault: why it says nothing of the store's latency, or nothing:
    SATURATED, FAILING, or what the generator did. blame: whether the store is to blame for it."""

    value: int
    operations: Mapping[Operation, OperationReading]
    fault: str = ""
    blame: bool = False
    example: str = ""

    @property
    def usable(self) -> bool:
        return not self.fault


@dataclass(frozen=True, slots=True)
class Turn:
    """A store's part of a round: one fresh process; while it is measured no other store runs. place: its place in the round's
    order. peak_bytes: the most that its processes held resident, where that can be seen. rate: requests/s held within the p99
    limit. alone: whether all other stores, paused, stood still in each of its slices; None where none was there. dropped: slices
    that the generator spoilt."""

    round: int
    store: int
    place: int
    readings: tuple[Reading, ...]
    start_ns: int
    warmup_ns: int
    warm: bool
    cpus: tuple[int, ...]
    peak_bytes: int | None = None
    rate: float | None = None
    connections: int = 0
    alone: bool | None = None
    slices: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Loading:
    """How a store came by its data, once: figures beside the comparison, never compared."""

    store: int
    memories: int
    bytes: int
    start_ns: int
    load_ns: int
    value: int = 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Everything that a competition measured. broken: why it ended before its time, as (code, text, remedy). other_work:
    share of one processor that other processes than perfgate's used while stores were measured. slice_ns: of slices that
    alternate; 0: each store had its turn in one piece."""

    stores: tuple[Store, ...]
    operations: tuple[Operation, ...]
    turns: tuple[Turn, ...]
    loadings: tuple[Loading, ...]
    started_wall_ns: int
    duration_ns: int
    environment: Mapping[str, Any]
    broken: tuple[str, str, str] | None = None
    rate_value: tuple[int, ...] = ()
    """Of each store: the value of its search parameter at which throughput was searched."""
    other_work: float | None = None
    truth_fault: str = ""
    phases: tuple[tuple[str, int], ...] = field(default=())
    slice_ns: int = 0
    rate_top: float = 0.0
    """The highest rate that the throughput search tries; 0: none was made."""

    def at_top(self, store: int) -> bool:
        """Whether the store held the highest rate that was tried: what it can do is more than is known."""
        rates = [turn.rate for turn in self.turns if turn.store == store and turn.rate]
        return bool(self.rate_top) and any(rate >= 0.999 * self.rate_top for rate in rates)

    @property
    def rounds(self) -> int:
        """Rounds that every store has had."""
        done = [{turn.round for turn in self.turns if turn.store == number} for number in range(len(self.stores))]
        return len(set.intersection(*done)) if done else 0
