"""Several arrival processes at once: their rates add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfgate.arrivals.process import Arrivals, Floats, Integers, Intensity


@dataclass(frozen=True, slots=True)
class Scaled:
    """`factor` times the rate of another intensity; factor > 0."""

    intensity: Intensity
    factor: float

    def expected(self, time_ns: Floats) -> Floats:
        return self.intensity.expected(time_ns) * self.factor

    def when(self, expected: Floats) -> Floats:
        return self.intensity.when(expected / self.factor)


class Superposition:
    """The union of the arrivals of all parts, numbered anew in order of time."""

    def __init__(self, parts: Sequence[Arrivals]) -> None:
        self._parts = tuple(parts)

    def expected(self, time_ns: Floats) -> Floats:
        return np.asarray(np.sum([part.expected(time_ns) for part in self._parts], axis=0), dtype=np.float64)

    def before(self, blocks: Integers) -> Integers:
        return np.asarray(np.sum([part.before(blocks) for part in self._parts], axis=0), dtype=np.int64)

    def times(self, block: int) -> Integers:
        return np.sort(np.concatenate([part.times(block) for part in self._parts]), kind="stable")
