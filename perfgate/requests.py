"""A block of the plan: what is sent when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLLOWER = 1 << 48
"""Added to a store's index to make that of the recall that follows it; a multiple of the lanes."""
NEIGHBOUR = 1 << 49
"""Added to the number of an arrival of the noisy neighbour's to make its index; a multiple of the lanes."""


def stored_key(index: int, space: int | None = None) -> int:
    """The key of a recall that asks for the memory of store `index`; with its memory space, where `[spaces]` says whose
    requests are whose: there the space cannot be told from the index."""
    return ~(index | (0 if space is None else (space + 1) * FOLLOWER))


def stored_index(key: int) -> int:
    """Of the store that a key below 0 names."""
    return ~key % FOLLOWER


def stored_space(key: int) -> int | None:
    """The memory space that a key below 0 names, if it does."""
    return ~key // FOLLOWER - 1 if ~key >= FOLLOWER else None


@dataclass(frozen=True, slots=True)
class Requests:
    """Parallel arrays of n requests, sorted by time.

    time_ns: int64, from the plan's start. operation: uint8, position in OPERATIONS.
    index: int64, unique over the whole plan and the same however lanes are shared; a stored memory's identity.
    key: int64: for recall the node (0..num_nodes-1) whose text is asked for, or, below 0, stored_key of the store whose
    memory is; for embedding_search and pattern_completion the query (0..num_queries-1), for store the position in the
    pool of vectors to store.
    checked: bool, whether the reply is checked deeply. lane: uint16.
    """

    time_ns: NDArray[np.int64]
    operation: NDArray[np.uint8]
    index: NDArray[np.int64]
    key: NDArray[np.int64]
    checked: NDArray[np.bool_]
    lane: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.time_ns)

    def take(self, which: slice | NDArray[np.int64]) -> Requests:
        """Some of them, in the order of `which`."""
        columns: dict[str, Any] = {name: getattr(self, name)[which] for name in _COLUMNS}
        return Requests(**columns)

    def between(self, start_ns: int, end_ns: int) -> Requests:
        """Those with start_ns <= time < end_ns."""
        return self.take(slice(*np.searchsorted(self.time_ns, [start_ns, end_ns])))

    @staticmethod
    def none() -> Requests:
        whole = np.empty(0, np.int64)
        return Requests(whole, np.empty(0, np.uint8), whole, whole, np.empty(0, np.bool_), np.empty(0, np.uint16))

    @staticmethod
    def join(parts: Sequence[Requests]) -> Requests:
        """One after the other; the parts must follow each other in time."""
        if len(parts) == 1:
            return parts[0]
        parts = [Requests.none(), *parts]
        columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
        return Requests(**columns)


_COLUMNS = tuple(field.name for field in fields(Requests))
"""Once: `fields` makes a new tuple for each piece of a plan, which the interpreter keeps (see plain_state)."""
