"""What a store is asked to do."""

from __future__ import annotations

from enum import StrEnum


class Operation(StrEnum):
    """The operations of a memory store, named as in `[operations]` of a scenario without `_weight`."""

    STORE = "store"
    RECALL = "recall"
    EMBEDDING_SEARCH = "embedding_search"
    PATTERN_COMPLETION = "pattern_completion"


OPERATIONS: tuple[Operation, ...] = tuple(Operation)
"""The position in this tuple is the operation's code in arrays and on the wire; only ever append to it."""
