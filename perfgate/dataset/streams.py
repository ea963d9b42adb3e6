"""Random streams: Philox, keyed by seed, purpose and block, so that any block can be made alone and in any order."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

BLOCK_ROWS = 4_096
"""Rows of a block; part of the format, since a block is one stream."""


class Purpose(IntEnum):
    """What a stream is drawn for; the value is part of the key, so only ever append."""

    NODES = 1
    POOL = 2
    QUERY_JITTER = 3
    QUERY_BASE = 4
    CENTRES = 5
    AXIS = 6
    CLUSTER = 7
    ROWS = 8
    CALIBRATION = 9
    ZIPF = 10
    SAMPLE = 11


def stream(seed: int, purpose: Purpose, *, side: Purpose | None = None, block: int = 0) -> np.random.Generator:
    """The generator of one block. `side` tells apart the same purpose for nodes and for the pool."""
    word = (int(purpose) << 48) | (int(side or 0) << 40) | block
    return np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, word], dtype=np.uint64)))


def block_bounds(rows: int) -> list[tuple[int, int]]:
    """(start, end) of each block of a matrix with `rows` rows."""
    return [(start, min(start + BLOCK_ROWS, rows)) for start in range(0, rows, BLOCK_ROWS)]
