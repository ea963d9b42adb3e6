"""What an arrival process is: an intensity (how many arrivals to expect by when) and a spacing (how they fall)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from perfgate.units import NS_PER_S

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BLOCK_NS = NS_PER_S
"""Arrivals are made a block at a time; block b is [b * BLOCK_NS, (b + 1) * BLOCK_NS)."""

FOREVER_NS = 2.0**62
"""Later than any time of a plan: when an arrival is due that never comes."""


class Intensity(Protocol):
    """A cumulative intensity Λ(t), non-decreasing, Λ(0) = 0, without end. Vectorised; time in ns as float64."""

    def expected(self, time_ns: Floats) -> Floats:
        """Λ: the expected number of arrivals in [0, t)."""
        ...

    def when(self, expected: Floats) -> Floats:
        """The inverse of Λ, non-decreasing; where Λ is flat, any time of the flat part; FOREVER_NS for what Λ never
        reaches."""
        ...


class Arrivals(Protocol):
    """The arrivals themselves, numbered from 0 in order of time; random access by block, defined for every block."""

    def expected(self, time_ns: Floats) -> Floats:
        """Λ: the expected number of arrivals in [0, t); t in ns."""
        ...

    def before(self, blocks: Integers) -> Integers:
        """How many arrivals come before the start of each block: the number of the block's first arrival."""
        ...

    def times(self, block: int) -> Integers:
        """The arrivals of one block: ns from the plan's start, sorted, all inside the block."""
        ...
