"""Each store's frontier of recall and latency, and where on it stores are compared."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.compete.model import SATURATED, Measurement, Turn
from perfgate.compete.policy import STATISTICS, CompetePolicy
from perfgate.interval import RECALL_STEPS
from perfgate.operation import Operation
from perfgate.stats.frontier import Bracket, along, bracket, recall_shift, undominated

SEARCH = Operation.EMBEDDING_SEARCH
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RecallSpread:
    """Recall as users meet it: over queries, not on average alone. In shares; tenths are rounded down."""

    mean: float
    median: float
    p10: float
    zero: float


@dataclass(frozen=True, slots=True)
class Frontier:
    """A store at all values of its search parameter. levels: operation -> float64 (statistics, rounds, values), log ns, NaN
    where a reading is missing or says nothing. groups: the same of each group of slices, float64 (statistics, rounds, values,
    groups). recalls: float64 (rounds, values). pooled: float64 (values,), over all
    rounds. spread: of each value, None where nothing was checked. kept: the values on the frontier, by rising recall.
    faults: why a value is not used at all; empty for the others. at: where the wanted recall lies, None where it is not
    reached."""

    levels: dict[Operation, Floats]
    recalls: Floats
    pooled: Floats
    spread: tuple[RecallSpread | None, ...]
    kept: tuple[int, ...]
    faults: tuple[str, ...]
    at: Bracket | None
    groups: dict[Operation, Floats]

    def slices(self, operation: Operation, statistic: str) -> Floats:
        """What each group of slices says of the log latency at the wanted recall: float64 (rounds, groups), NaN where nothing.
        Group by group it may be held against another store's: they lie next to each other in time. Of a round in one piece
        it is `rounds`, as the only group."""
        table = self.groups[operation][STATISTICS.index(statistic)]
        if self.at is None:
            return np.full((table.shape[0], table.shape[2]), np.nan)
        placed = np.column_stack([along(table[:, :, group], self.at) for group in range(table.shape[2])])
        return np.asarray(placed - self._shift(operation, statistic)[:, None])

    def _shift(self, operation: Operation, statistic: str) -> Floats:
        """What a round's recalls are to blame for."""
        table = self.levels[operation][STATISTICS.index(statistic)]
        if self.at is None or operation is not SEARCH or not np.isfinite(self.pooled[self.at.low]):
            return np.zeros(len(table))
        return recall_shift(table, self.recalls, self.pooled, self.at)

    def rounds(self, operation: Operation, statistic: str) -> Floats:
        """What each round says of the operation's log latency at the wanted recall: float64 (rounds,)."""
        table = self.levels[operation][STATISTICS.index(statistic)]
        if self.at is None:
            return np.full(len(table), np.nan)
        return np.asarray(along(table, self.at) - self._shift(operation, statistic))

    def latency(self, operation: Operation, statistic: str) -> Floats:
        """Of each value, ns, the geometric mean over rounds: float64 (values,)."""
        return np.asarray(np.exp(_mean(self.levels[operation][STATISTICS.index(statistic)])))


def frontier_of(measured: Measurement, store: int, policy: CompetePolicy) -> Frontier:
    """Of all turns that the store has had."""
    turns = sorted((turn for turn in measured.turns if turn.store == store), key=lambda turn: turn.round)
    count = len(measured.stores[store].values)
    levels = {one: np.full((len(STATISTICS), len(turns), count), np.nan) for one in measured.operations}
    groups = {one: _groups(turns, one, count) for one in measured.operations}
    recalls = np.full((len(turns), count), np.nan)
    checked = np.zeros((count, RECALL_STEPS + 1), dtype=np.int64)
    found, expected = np.zeros(count), np.zeros(count)
    for row, turn in enumerate(turns):
        for reading in turn.readings:
            if not reading.usable:
                continue
            for operation, part in reading.operations.items():
                if part.completed:
                    levels[operation][:, row, reading.value] = np.log(
                        [max(1.0, part.quantile(one)) for one in STATISTICS]
                    )
            search = reading.operations.get(SEARCH)
            if search and search.expected:
                recalls[row, reading.value] = search.found / search.expected
                found[reading.value] += search.found
                expected[reading.value] += search.expected
                if search.recalls:
                    checked[reading.value] += np.array(search.recalls)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = found / expected
    faults = tuple(_fault(turns, value) for value in range(count))
    return _placed(measured, policy, levels, groups, recalls, pooled, checked, faults)


def _groups(turns: Sequence[Turn], operation: Operation, count: int) -> Floats:
    """float64 (statistics, rounds, values, groups), log ns."""
    parts = {
        (row, reading.value): reading.operations[operation]
        for row, turn in enumerate(turns)
        for reading in turn.readings
        if reading.usable and operation in reading.operations and reading.operations[operation].completed
    }
    width = max((len(part.groups) for part in parts.values()), default=0)
    table = np.full((len(STATISTICS), len(turns), count, max(1, width)), np.nan)
    for (row, value), part in parts.items():
        for number, group in enumerate(part.groups or ((part.p50, part.p95, part.p99),)):
            if group is not None:
                table[:, row, value, number] = np.log(np.maximum(1.0, group))
    return table


def _placed(
    measured: Measurement, policy: CompetePolicy, levels: dict[Operation, Floats], groups: dict[Operation, Floats],
    recalls: Floats, pooled: Floats, checked: NDArray[np.int64], faults: tuple[str, ...],
) -> Frontier:  # fmt: skip
    spread = tuple(_spread(float(mean), counts) for mean, counts in zip(pooled, checked, strict=True))
    left_out = np.array([bool(fault) for fault in faults])
    if SEARCH in measured.operations:
        kept = undominated(np.where(left_out, np.nan, pooled), levels[SEARCH][STATISTICS.index(policy.primary)])
        at = bracket(pooled, kept, policy.recall)
    else:
        kept = [value for value in range(len(faults)) if not faults[value]][:1]
        at = Bracket(kept[0], kept[0], 0.0) if kept else None
    return Frontier(levels, recalls, pooled, spread, tuple(kept), faults, at, groups)


def _fault(turns: list[Turn], value: int) -> str:
    """A value that says nothing in half of the rounds is left out."""
    faults = [reading.fault for turn in turns for reading in turn.readings if reading.value == value]
    bad = [fault for fault in faults if fault]
    if not faults:
        return "not measured"
    if 2 * len(bad) < len(faults):
        return ""
    return SATURATED if SATURATED in bad else bad[0]


def _spread(mean: float, counts: NDArray[np.int64]) -> RecallSpread | None:
    total = int(counts.sum())
    if not total:
        return None
    below = np.cumsum(counts)

    def quantile(share: float) -> float:
        return float(np.searchsorted(below, share * total, side="left")) / RECALL_STEPS

    return RecallSpread(mean, quantile(0.5), quantile(0.1), float(counts[0]) / total)


def _mean(table: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a value without any reading has no mean
        return np.asarray(np.nanmean(table, axis=0), dtype=np.float64)
