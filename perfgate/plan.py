"""The plan: what is sent when, as a pure function of scenario and seed.

Arrivals are numbered in order of time; arrival n belongs to lane n mod LANES. Whoever holds a lane sends its
requests, so the union is the same however lanes are shared. What an arrival asks for comes from the random stream of
its one-second block, so that any window can be made without what came before it, in memory of a few blocks. Recalls
that follow stores are added to them (see followers).
Arrivals go on after the scenario's duration: the gate asks for as many windows as it has time for.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from perfgate.arrivals import make_arrivals
from perfgate.arrivals.process import BLOCK_NS
from perfgate.arrivals.streams import Purpose, stream
from perfgate.errors import InputError
from perfgate.followers import Followers
from perfgate.mix import make_mix
from perfgate.neighbour import NeighbourLoad, extra_share
from perfgate.operation import OPERATIONS, Operation
from perfgate.popularity import Popularity
from perfgate.requests import Requests
from perfgate.scenario.model import MAX_QUERIES, MAX_STORE_POOL, Scenario
from perfgate.spaces import SpaceMix, grouping_of
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
        self._arrivals = make_arrivals(scenario.arrival, self.seed)
        self._mix = make_mix(scenario, self._arrivals)
        correlation = scenario.correlation
        spaces = scenario.spaces
        self._spaces = SpaceMix(spaces, self.seed) if spaces else None
        self.grouping = grouping_of(scenario)
        """Which memory spaces are recorded together; None: all, and nothing by space."""
        count = spaces.count if spaces else 0
        self._followers = Followers(correlation, self.seed, CHECKED_SHARE, count) if correlation else None
        self._popularity = Popularity(scenario.key_exponent) if scenario.key_exponent else None
        self.store_pool = max(1, count, min(math.ceil(self._expected(self.duration_ns)), MAX_STORE_POOL))
        self.extra_share = extra_share(scenario.neighbour, spaces)
        """What the noisy neighbour adds to the rate, as a share of it; 0 where it is not sent."""
        self._extra = _Kept(self._loud().make) if self.extra_share else None
        self._arrived = _Kept(self._make)
        self._complete = _Kept(self._with_followers)

    @property
    def mean_rate(self) -> float:
        """Requests per second that are expected over the duration, followers included."""
        expected = self._expected(self.duration_ns)
        if self._followers is not None:
            # Of all requests some share follows stores, which is what is known of stores whose weight changes.
            stores = self.scenario.weights.get(Operation.STORE, 0.0)
            followed = stores * self._followers.share
            followed_arrivals = self._expected(max(0, self.duration_ns - self._followers.delay_ns))
            expected += followed / (1 - followed) * followed_arrivals
        return expected / (self.duration_ns / NS_PER_S)

    def peak_rate(self, start_ns: int, end_ns: int) -> float:
        """Requests per second that are expected in the fastest of the seconds that start_ns <= time < end_ns touches; at
        most, since recalls are counted as if each arrival were a store that one follows."""
        first, last = start_ns // BLOCK_NS, -(-end_ns // BLOCK_NS)
        followers = 1.0 if self._followers is None else 1.0 + self._followers.share
        peak = 0.0
        for start in range(first, last, _COUNTED_AT_ONCE):
            edges = np.arange(start, min(start + _COUNTED_AT_ONCE, last) + 1, dtype=np.float64) * BLOCK_NS
            peak = max(peak, float(np.diff(self._arrivals.expected(edges)).max()))
        return peak * (followers + self.extra_share)

    def window(
        self, lanes: Iterable[int], start_ns: int, end_ns: int, since_ns: int = 0, neighbour: bool = False
    ) -> Requests:
        """The requests of these lanes with start_ns <= time < end_ns, sorted by time and index.

        since_ns: recalls that follow a store from before this time are left out; for a store process that has been
        sent nothing before. neighbour: with what the noisy neighbour adds, where it is sent. Costs as much as the
        one-second blocks it touches (the last few are kept), whatever the number of lanes. Raises ValueError for a lane
        that does not exist or a negative start.
        """
        mine = np.zeros(LANES, dtype=np.bool_)
        mine[_lane_numbers(lanes)] = True
        if start_ns < 0:
            raise ValueError(f"a window cannot start before the plan does (start_ns = {start_ns})")
        blocks = range(start_ns // BLOCK_NS, -(-max(end_ns, start_ns) // BLOCK_NS))
        parts = [self._complete(block).between(start_ns, end_ns) for block in blocks]
        chosen = Requests.join([part.take(np.flatnonzero(mine[part.lane])) for part in parts])
        if since_ns and self._followers is not None:
            known = (chosen.key >= 0) | (chosen.time_ns >= since_ns + self._followers.delay_ns)
            chosen = chosen.take(np.flatnonzero(known))
        if neighbour and self._extra is not None:
            extra = Requests.join([self._extra(block).between(start_ns, end_ns) for block in blocks])
            joined = Requests.join([chosen, extra.take(np.flatnonzero(mine[extra.lane]))])
            chosen = joined.take(np.argsort(joined.time_ns, kind="stable"))
        return chosen

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
                result[block] = self._count(block, int(total))
        if self.duration_ns % BLOCK_NS:
            last = self.window(range(LANES), (seconds - 1) * BLOCK_NS, self.duration_ns)
            result[-1] = np.bincount(last.operation, minlength=len(OPERATIONS))
        return result

    def _expected(self, until_ns: int) -> float:
        return float(self._arrivals.expected(np.array([until_ns], dtype=np.float64))[0])

    def _make(self, block: int) -> Requests:
        """The arrivals of a block and what they ask for."""
        time_ns = self._arrivals.times(block)
        count = len(time_ns)
        index = np.arange(count) + self._arrivals.before(np.array([block]))[0]
        draws = stream(self.seed, Purpose.REQUESTS, block).random((3, count))
        operation = self._mix.operations(time_ns, index, draws[0])
        order = np.argsort(time_ns, kind="stable")  # they are sorted, but for an edge where times round up
        return Requests(
            time_ns=time_ns[order],
            operation=operation[order],
            index=index[order],
            key=self._keys(operation, draws[1], index, block)[order],
            checked=(draws[2] < CHECKED_SHARE)[order],
            lane=(index % LANES).astype(np.uint16)[order],
        )

    def _with_followers(self, block: int) -> Requests:
        arrived = self._arrived(block)
        if self._followers is None:
            return arrived
        joined = Requests.join([arrived, *self._followers.due_in(block, self._arrived)])
        return joined.take(np.argsort(joined.time_ns, kind="stable"))  # arrivals first, where times are equal

    def _keys(
        self, operation: NDArray[np.uint8], draw: NDArray[np.float64], index: NDArray[np.int64], block: int
    ) -> NDArray[np.int64]:
        """Recalls ask for any node, searches for any query, stores walk through the pool; unless a trace says what. With
        `[spaces]` all that is within the arrival's space."""
        size = self._sizes()
        if self._popularity is not None:
            draw = self._popularity.skewed(draw, size[operation])
        if self._spaces is not None:
            space = self._spaces.draw(block, len(index))
            drawn = self._spaces.drawn_keys(space, size[operation], draw)
            walked = self._spaces.walked_keys(space, self.store_pool, index)
            return np.where(operation == OPERATIONS.index(Operation.STORE), walked, drawn)
        uniform = (draw * size[operation]).astype(np.int64)
        drawn = np.where(operation == OPERATIONS.index(Operation.STORE), index % self.store_pool, uniform)
        given = self._mix.keys(index)
        return drawn if given is None else np.where(given < 0, drawn, given % size[operation])

    def _sizes(self) -> NDArray[np.int64]:
        """How many keys each operation has, by position in OPERATIONS."""
        size = np.full(len(OPERATIONS), self.num_queries, dtype=np.int64)
        size[OPERATIONS.index(Operation.RECALL)] = self.scenario.data.num_nodes
        size[OPERATIONS.index(Operation.STORE)] = self.store_pool
        return size

    def _loud(self) -> NeighbourLoad:
        assert self._spaces is not None
        return NeighbourLoad(self.scenario, self._spaces, self._sizes(), self.seed, CHECKED_SHARE, LANES)

    def _count(self, block: int, total: int) -> NDArray[np.int64]:
        """Requests of one block by operation, from the same draws as `_make`."""
        if self._followers is None:
            draw = stream(self.seed, Purpose.REQUESTS, block).random(total)
            counts = self._mix.count(block * BLOCK_NS, (block + 1) * BLOCK_NS, draw)
            if counts is not None:
                return counts
        return np.bincount(self._complete(block).operation, minlength=len(OPERATIONS))


class _Kept:
    """Makes blocks of requests, and keeps the last few."""

    def __init__(self, make: Callable[[int], Requests]) -> None:
        self._make = make
        self._blocks: OrderedDict[int, Requests] = OrderedDict()

    def __call__(self, block: int) -> Requests:
        if block in self._blocks:
            self._blocks.move_to_end(block)
        else:
            self._blocks[block] = self._make(block)
            while len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        return self._blocks[block]


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
