"""A block of the plan: what is sent when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Requests:
    """Parallel arrays of n requests, sorted by time.

    time_ns: int64, from the plan's start. operation: uint8, position in OPERATIONS.
    index: int64, unique over the whole plan and the same however lanes are shared; a stored memory's identity.
    key: int64: for recall the node (0..num_nodes-1) whose text is asked for, for embedding_search and
    pattern_completion the query (0..num_queries-1), for store the position in the pool of vectors to store.
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
