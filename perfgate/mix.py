"""What arrivals ask for: drawn by weight, which may change over the hours of the day, or taken from a trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from perfgate.arrivals import Arrivals, ReplayArrivals
from perfgate.operation import OPERATIONS, Operation
from perfgate.scenario.model import MixSpec, MixStage, Scenario
from perfgate.scenario.trace import NO_KEY

Codes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Mix(Protocol):
    """Operations (as positions in OPERATIONS) of arrivals. index: their numbers; draw: uniform in [0, 1), one each."""

    def operations(self, time_ns: Integers, index: Integers, draw: Floats) -> Codes:
        """Of each arrival."""
        ...

    def keys(self, index: Integers) -> Integers | None:
        """What each arrival asks for, if that is known; NO_KEY for those of which it is not."""
        ...

    def count(self, start_ns: int, end_ns: int, draw: Floats) -> Integers | None:
        """Arrivals of [start_ns, end_ns) by operation: int64 (len(OPERATIONS),), from the draws of `operations`; None
        where that takes more than the draws."""
        ...


def make_mix(scenario: Scenario, arrivals: Arrivals) -> Mix:
    """The mix of a scenario; a replay's comes with its arrivals."""
    if scenario.arrival.trace is not None:
        assert isinstance(arrivals, ReplayArrivals)
        return TraceMix(scenario, arrivals)
    return WeightedMix(scenario.mix or MixSpec(1, 0, (MixStage(0, scenario.weights),)))


class WeightedMix:
    """Drawn by the weights of the stage in which an arrival falls."""

    def __init__(self, spec: MixSpec) -> None:
        self._spec = spec
        self._from_ns = np.array([stage.from_ns for stage in spec.stages], dtype=np.int64)
        self._stages = [_Stage(stage.shares) for stage in spec.stages]

    def operations(self, time_ns: Integers, index: Integers, draw: Floats) -> Codes:
        if len(self._stages) == 1 or not len(time_ns):
            return self._stages[0].operations(draw)
        number = self._stage_at(time_ns)
        result = np.empty(len(draw), dtype=np.uint8)
        for stage in np.unique(number):
            mine = number == stage
            result[mine] = self._stages[stage].operations(draw[mine])
        return result

    def keys(self, index: Integers) -> Integers | None:
        return None

    def count(self, start_ns: int, end_ns: int, draw: Floats) -> Integers | None:
        stage = 0
        if len(self._stages) > 1:
            first, last = self._stage_at(np.array([start_ns, end_ns - 1]))
            if first != last or end_ns - start_ns >= self._spec.day_ns:
                return None
            stage = int(first)
        return self._stages[stage].count(draw)

    def _stage_at(self, time_ns: Integers) -> Integers:
        of_day = (time_ns + self._spec.start_ns) % self._spec.day_ns
        return np.searchsorted(self._from_ns, of_day, side="right") - 1


class _Stage:
    """One set of shares."""

    def __init__(self, shares: Mapping[Operation, float]) -> None:
        self._codes = np.array([OPERATIONS.index(operation) for operation in shares], dtype=np.uint8)
        # Rounded, so that weights on different scales give the same plan in spite of their last bits.
        self._thresholds = np.round(np.cumsum(list(shares.values())), 12)[:-1]

    def operations(self, draw: Floats) -> Codes:
        return self._codes[np.searchsorted(self._thresholds, draw, side="right")]

    def count(self, draw: Floats) -> Integers:
        below = np.array([np.count_nonzero(draw < threshold) for threshold in self._thresholds], dtype=np.int64)
        counts = np.zeros(len(OPERATIONS), dtype=np.int64)
        counts[self._codes] = np.append(below, len(draw)) - np.append(0, below)
        return counts


class TraceMix:
    """As recorded. A key beyond what the scenario has is folded back by the remainder."""

    def __init__(self, scenario: Scenario, arrivals: ReplayArrivals) -> None:
        assert scenario.arrival.trace is not None
        self._columns = scenario.arrival.trace.columns()
        self._arrivals = arrivals

    def operations(self, time_ns: Integers, index: Integers, draw: Floats) -> Codes:
        return self._columns.operation[self._arrivals.rows(index)]

    def keys(self, index: Integers) -> Integers | None:
        keys = self._columns.key[self._arrivals.rows(index)]
        return None if np.all(keys == NO_KEY) else keys

    def count(self, start_ns: int, end_ns: int, draw: Floats) -> Integers | None:
        return None
