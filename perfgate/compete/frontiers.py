"""Each store's frontier of recall and latency, and where on it stores are compared."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.compete.model import SATURATED, Measurement, Turn
from perfgate.compete.policy import STATISTICS, CompetePolicy
from perfgate.interval import RECALL_STEPS
from perfgate.operation import Operation
from perfgate.stats.frontier import Bracket, at_recall, bracket, undominated

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
    where a reading is missing or says nothing. recalls: float64 (rounds, values). pooled: float64 (values,), over all
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

    def rounds(self, operation: Operation, statistic: str) -> Floats:
        """What each round says of the operation's log latency at the wanted recall: float64 (rounds,)."""
        table = self.levels[operation][STATISTICS.index(statistic)]
        if self.at is None:
            return np.full(len(table), np.nan)
        if operation is SEARCH and np.isfinite(self.pooled[self.at.low]):
            return at_recall(table, self.recalls, self.pooled, self.at)
        return np.asarray((1 - self.at.weight) * table[:, self.at.low] + self.at.weight * table[:, self.at.high])

    def latency(self, operation: Operation, statistic: str) -> Floats:
        """Of each value, ns, the geometric mean over rounds: float64 (values,)."""
        return np.asarray(np.exp(_mean(self.levels[operation][STATISTICS.index(statistic)])))


def frontier_of(measured: Measurement, store: int, policy: CompetePolicy) -> Frontier:
    """Of all turns that the store has had."""
    turns = sorted((turn for turn in measured.turns if turn.store == store), key=lambda turn: turn.round)
    count = len(measured.stores[store].values)
    levels = {one: np.full((len(STATISTICS), len(turns), count), np.nan) for one in measured.operations}
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
    return _placed(measured, policy, levels, recalls, pooled, checked, faults)


def _placed(
    measured: Measurement, policy: CompetePolicy, levels: dict[Operation, Floats], recalls: Floats, pooled: Floats,
    checked: NDArray[np.int64], faults: tuple[str, ...],
) -> Frontier:  # fmt: skip
    spread = tuple(_spread(float(mean), counts) for mean, counts in zip(pooled, checked, strict=True))
    left_out = np.array([bool(fault) for fault in faults])
    if SEARCH in measured.operations:
        kept = undominated(np.where(left_out, np.nan, pooled), levels[SEARCH][STATISTICS.index(policy.primary)])
        at = bracket(pooled, kept, policy.recall)
    else:
        kept = [value for value in range(len(faults)) if not faults[value]][:1]
        at = Bracket(kept[0], kept[0], 0.0) if kept else None
    return Frontier(levels, recalls, pooled, spread, tuple(kept), faults, at)


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
