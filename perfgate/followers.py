"""Recalls that follow stores: each asks for the memory that a store has sent a fixed time before.

They are requests of their own, beside those of the arrival process. Which stores are followed comes from the random
stream of the store's block, and a follower belongs to its store's lane, so that any window can be made from the blocks
that lie the delay before it, by whoever holds the lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from perfgate.arrivals.process import BLOCK_NS
from perfgate.arrivals.streams import Purpose, stream
from perfgate.operation import OPERATIONS, Operation
from perfgate.requests import FOLLOWER, Requests
from perfgate.scenario.model import CorrelationSpec

_STORE, _RECALL = OPERATIONS.index(Operation.STORE), OPERATIONS.index(Operation.RECALL)


class Followers:
    """A pure function of seed and stores; checked_share is that of the replies that are checked deeply."""

    def __init__(self, spec: CorrelationSpec, seed: int, checked_share: float, spaces: int = 0) -> None:
        """spaces: how many there are, where the key of a store says whose it is; otherwise 0."""
        self._spec = spec
        self._spaces = spaces
        self._seed = seed
        self._checked_share = checked_share

    @property
    def delay_ns(self) -> int:
        return self._spec.delay_ns

    @property
    def share(self) -> float:
        """Of the stores that are followed."""
        return self._spec.store_to_recall_prob

    def of(self, block: int, requests: Requests) -> Requests:
        """The followers of the stores of one whole block, at whatever time they are due."""
        draws = stream(self._seed, Purpose.FOLLOWERS, block).random((2, len(requests)))
        stores = np.flatnonzero((requests.operation == _STORE) & (draws[0] < self._spec.store_to_recall_prob))
        return Requests(
            time_ns=requests.time_ns[stores] + self._spec.delay_ns,
            operation=np.full(len(stores), _RECALL, dtype=np.uint8),
            index=requests.index[stores] + FOLLOWER,
            key=self._key(requests.index[stores], requests.key[stores]),
            checked=draws[1][stores] < self._checked_share,
            lane=requests.lane[stores],
        )

    def _key(self, index: NDArray[np.int64], key: NDArray[np.int64]) -> NDArray[np.int64]:
        """As perfgate.requests.stored_key has it."""
        return ~(index | (key % self._spaces + 1) * FOLLOWER) if self._spaces else ~index

    def due_in(self, block: int, blocks: Callable[[int], Requests]) -> Iterator[Requests]:
        """Those that are due in a block, given how to make the requests that stores are among."""
        start, end = block * BLOCK_NS - self._spec.delay_ns, (block + 1) * BLOCK_NS - self._spec.delay_ns
        for source in range(max(0, start // BLOCK_NS), max(0, -(-end // BLOCK_NS))):
            followers = self.of(source, blocks(source))
            yield followers.between(block * BLOCK_NS, (block + 1) * BLOCK_NS)
