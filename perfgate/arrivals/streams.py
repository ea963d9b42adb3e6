"""Random streams that can be entered anywhere: Philox, keyed by what the numbers are for.

The key has two words of 64 bits: the seed, and purpose (8 bits, high) | position (56 bits), where position is a
block or a chunk of blocks. Streams of different keys are independent, so any block can be made without the others,
on any machine; no global state is read or written.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

_POSITION_BITS = 56
_PART_BITS = 40


class Purpose(IntEnum):
    """What a stream is for; values are part of the plan's definition, so only append. The data's streams are keyed
    elsewhere; the high values keep these apart from them."""

    COUNTS = 0xA0
    TIMES = 0xA1
    REQUESTS = 0xA2
    FOLLOWERS = 0xA3
    SPACES = 0xA4
    NEIGHBOUR = 0xA5


def stream(seed: int, purpose: Purpose, position: int) -> np.random.Generator:
    """The stream of (seed, purpose, position), from its start. 0 <= seed < 2**64; 0 <= position < 2**56."""
    key = np.array([seed, purpose << _POSITION_BITS | position], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def part_position(part: int, position: int) -> int:
    """The position of a process that is one of several: 0 <= part < 2**16, 0 <= position < 2**40. Part 0 has the
    positions as they are."""
    return part << _PART_BITS | position
