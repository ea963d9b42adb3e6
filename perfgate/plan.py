"""The plan: what is sent when, as a pure function of scenario and seed.

Arrivals are numbered in order of time; arrival n belongs to lane n mod LANES. Whoever holds a lane sends its
requests, so the union is the same however lanes are shared. What an arrival asks for comes from the random stream of
its one-second block, so that any window can be made without what came before it, in memory of a few blocks.
Arrivals go on after the scenario's duration: the gate asks for as many windows as it has time for.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from perfgate.arrivals import make_arrivals
from perfgate.arrivals.process import BLOCK_NS
from perfgate.arrivals.registry import make_intensity
from perfgate.arrivals.streams import Purpose, stream
from perfgate.errors import InputError
from perfgate.operation import OPERATIONS, Operation
from perfgate.requests import Requests
from perfgate.scenario.model import MAX_QUERIES, MAX_STORE_POOL, Scenario
from perfgate.units import NS_PER_S

LANES = 64
"""Lanes of every plan: the most workers that can share one."""
CHECKED_SHARE = 0.25
"""Share of the replies that are checked deeply."""
_BLOCKS_KEPT = 4
_COUNTED_AT_ONCE = 4096  # blocks


class Plan:
    """See the module. Raises InputError for a seed outside 0 .. 2**64 - 1."""

    def __init__(self, scenario: Scenario, seed: int | None = None) -> None:
        self.scenario = scenario
        self.seed = scenario.seed if seed is None else seed
        if not 0 <= self.seed < 2**64:
            raise InputError(f"seed = {self.seed} must be between 0 and 18446744073709551615")
        self.lanes = LANES
        self.duration_ns = scenario.duration_ns
        self.num_queries = min(scenario.data.num_nodes, MAX_QUERIES)
        self.store_pool = max(1, min(math.ceil(self._expected()), MAX_STORE_POOL))
        self._arrivals = make_arrivals(scenario.arrival, self.seed)
        self._codes = np.array([OPERATIONS.index(operation) for operation in scenario.weights], dtype=np.uint8)
        # Rounded, so that weights on different scales give the same plan in spite of their last bits.
        self._thresholds = np.round(np.cumsum(list(scenario.weights.values())), 12)[:-1]
        self._blocks: OrderedDict[int, Requests] = OrderedDict()

    @property
    def mean_rate(self) -> float:
        """Requests per second that the arrival process expects over the duration."""
        return self._expected() / (self.duration_ns / NS_PER_S)

    def window(self, lanes: Iterable[int], start_ns: int, end_ns: int) -> Requests:
        """The requests of these lanes with start_ns <= time < end_ns, sorted by time and index.

        Costs as much as the one-second blocks it touches (the last few are kept), whatever the number of lanes.
        Raises ValueError for a lane that does not exist or a negative start.
        """
        mine = np.zeros(LANES, dtype=np.bool_)
        mine[_lane_numbers(lanes)] = True
        if start_ns < 0:
            raise ValueError(f"a window cannot start before the plan does (start_ns = {start_ns})")
        blocks = range(start_ns // BLOCK_NS, -(-max(end_ns, start_ns) // BLOCK_NS))
        return _join([_select(self._block(block), mine, start_ns, end_ns) for block in blocks])

    def counts(self) -> NDArray[np.int64]:
        """Requests of every second of the duration by operation: int64 (seconds, len(OPERATIONS)).

        A last second that the duration cuts short counts only what is due before the end.
        """
        seconds = -(-self.duration_ns // BLOCK_NS)
        result = np.zeros((seconds, len(OPERATIONS)), dtype=np.int64)
        for start in range(0, seconds, _COUNTED_AT_ONCE):
            end = min(start + _COUNTED_AT_ONCE, seconds)
            totals = np.diff(self._arrivals.before(np.arange(start, end + 1)))
            for block, total in enumerate(totals, start=start):
                result[block, self._codes] = self._count(block, int(total))
        if self.duration_ns % BLOCK_NS:
            last = self.window(range(LANES), (seconds - 1) * BLOCK_NS, self.duration_ns)
            result[-1] = np.bincount(last.operation, minlength=len(OPERATIONS))
        return result

    def _expected(self) -> float:
        return float(make_intensity(self.scenario.arrival).expected(np.array([self.duration_ns], dtype=np.float64))[0])

    def _block(self, block: int) -> Requests:
        if block in self._blocks:
            self._blocks.move_to_end(block)
        else:
            self._blocks[block] = self._make(block)
            while len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        return self._blocks[block]

    def _make(self, block: int) -> Requests:
        time_ns = self._arrivals.times(block)
        count = len(time_ns)
        index = np.arange(count) + self._arrivals.before(np.array([block]))[0]
        draws = stream(self.seed, Purpose.REQUESTS, block).random((3, count))
        operation = self._codes[np.searchsorted(self._thresholds, draws[0], side="right")]
        order = np.argsort(time_ns, kind="stable")  # they are sorted, but for an edge where times round up
        return Requests(
            time_ns=time_ns[order],
            operation=operation[order],
            index=index[order],
            key=self._keys(operation, draws[1], index)[order],
            checked=(draws[2] < CHECKED_SHARE)[order],
            lane=(index % LANES).astype(np.uint16)[order],
        )

    def _keys(
        self, operation: NDArray[np.uint8], draw: NDArray[np.float64], index: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Recalls ask for any node, searches for any query, stores walk through the pool."""
        size = np.full(len(OPERATIONS), self.num_queries, dtype=np.int64)
        size[OPERATIONS.index(Operation.RECALL)] = self.scenario.data.num_nodes
        uniform = (draw * size[operation]).astype(np.int64)
        return np.where(operation == OPERATIONS.index(Operation.STORE), index % self.store_pool, uniform)

    def _count(self, block: int, total: int) -> NDArray[np.int64]:
        """Requests of one block by operation, in the order of the weights, from the same draws as `_make`."""
        draw = stream(self.seed, Purpose.REQUESTS, block).random(total)
        below = np.array([np.count_nonzero(draw < threshold) for threshold in self._thresholds], dtype=np.int64)
        counts: NDArray[np.int64] = np.append(below, total) - np.append(0, below)
        return counts


def share_lanes(lanes: int, weights: Sequence[float]) -> list[tuple[int, ...]]:
    """Deals lanes 0 .. lanes-1 to parties in proportion to their weights, neighbouring lanes to different parties.

    Each party's number of lanes is within one of its exact share; with more parties than lanes some get none.
    Raises ValueError for weights that are negative, not finite or all zero.
    """
    share = np.asarray(weights, dtype=np.float64)
    if share.ndim != 1 or not np.all(np.isfinite(share)) or np.any(share < 0) or not np.any(share > 0):
        raise ValueError(f"weights {list(weights)} must be finite, not negative and not all zero")
    exact = share / share.sum() * lanes
    sizes = np.floor(exact).astype(np.int64)
    sizes[np.argsort(sizes - exact, kind="stable")[: lanes - int(sizes.sum())]] += 1  # largest remainders
    dealt: list[list[int]] = [[] for _ in weights]
    for lane in range(lanes):
        owed = [size * (lane + 1) / lanes - len(own) for size, own in zip(sizes, dealt, strict=True)]
        dealt[int(np.argmax(owed))].append(lane)
    return [tuple(own) for own in dealt]


def _lane_numbers(lanes: Iterable[int]) -> list[int]:
    numbers = list(lanes)
    wrong = [lane for lane in numbers if not 0 <= lane < LANES]
    if wrong:
        raise ValueError(f"lane {wrong[0]} does not exist: lanes are 0 to {LANES - 1}")
    return numbers


def _select(block: Requests, mine: NDArray[np.bool_], start_ns: int, end_ns: int) -> Requests:
    """What a block has in the window and in the lanes."""
    inside = slice(*np.searchsorted(block.time_ns, [start_ns, end_ns]))
    keep = np.flatnonzero(mine[block.lane[inside]])
    return Requests(
        time_ns=block.time_ns[inside][keep],
        operation=block.operation[inside][keep],
        index=block.index[inside][keep],
        key=block.key[inside][keep],
        checked=block.checked[inside][keep],
        lane=block.lane[inside][keep],
    )


def _join(parts: Sequence[Requests]) -> Requests:
    if len(parts) == 1:
        return parts[0]
    return Requests(
        time_ns=np.concatenate([np.empty(0, np.int64), *(part.time_ns for part in parts)]),
        operation=np.concatenate([np.empty(0, np.uint8), *(part.operation for part in parts)]),
        index=np.concatenate([np.empty(0, np.int64), *(part.index for part in parts)]),
        key=np.concatenate([np.empty(0, np.int64), *(part.key for part in parts)]),
        checked=np.concatenate([np.empty(0, np.bool_), *(part.checked for part in parts)]),
        lane=np.concatenate([np.empty(0, np.uint16), *(part.lane for part in parts)]),
    )
