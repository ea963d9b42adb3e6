"""Which values share a bucket: the log-linear layout of HdrHistogram (Gil Tene, hdrhistogram.org)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perfgate.plain_state import plain_state

_EXACT_FLOAT_BITS = 53
_FLOAT_EXPONENT_BIAS = 1_022  # an integer v > 0 as float64 has the biased exponent 1022 + v.bit_length()


@plain_state
@dataclass(frozen=True, slots=True)
class Geometry:
    """`lowest_ns` and `highest_ns` span the values that are told apart, to `digits` significant decimal digits.

    Buckets come in octaves of `half_count` equal ones (the first octave has twice as many); the width of a bucket is
    `1 << (unit_magnitude + octave)` ns. Raises ValueError for a geometry that HdrHistogram does not have.
    """

    lowest_ns: int = 1_000
    highest_ns: int = 3_600_000_000_000
    digits: int = 3
    unit_magnitude: int = field(init=False, repr=False, compare=False)
    """The first octave's buckets are `1 << unit_magnitude` ns wide."""
    half_magnitude: int = field(init=False, repr=False, compare=False)
    """log2 of the buckets an octave has."""
    _first_octave: int = field(init=False, repr=False, compare=False)
    """All values of the first octave have no bit above these."""

    def __post_init__(self) -> None:
        if self.lowest_ns < 1 or not 1 <= self.digits <= 5:
            raise ValueError(f"{self} is no geometry: lowest_ns is at least 1 and digits are 1 to 5")
        if not 2 * self.lowest_ns <= self.highest_ns < 1 << _EXACT_FLOAT_BITS:
            raise ValueError(f"{self} is no geometry: highest_ns is at least twice lowest_ns and below 2**53")
        # Kept, because they are asked for with every second that is recorded.
        object.__setattr__(self, "unit_magnitude", self.lowest_ns.bit_length() - 1)
        object.__setattr__(self, "half_magnitude", int(2 * 10**self.digits - 1).bit_length() - 1)
        object.__setattr__(self, "_first_octave", (2 * self.half_count - 1) << self.unit_magnitude)

    @property
    def half_count(self) -> int:
        return 1 << self.half_magnitude

    @property
    def counts_length(self) -> int:
        """How many counters a full HdrHistogram of this geometry has; indices are below it."""
        octaves, first_untrackable = 1, (2 * self.half_count) << self.unit_magnitude
        while first_untrackable <= self.highest_ns:
            octaves, first_untrackable = octaves + 1, first_untrackable << 1
        return (octaves + 1) * self.half_count

    @property
    def last_index(self) -> int:
        """The bucket that holds `highest_ns`."""
        return self.index_of_one(self.highest_ns)

    def index_of_one(self, value_ns: int) -> int:
        """The bucket of one value from 0 to highest_ns."""
        octave = (value_ns | self._first_octave).bit_length() - self._first_octave.bit_length()
        return (octave << self.half_magnitude) + (value_ns >> (octave + self.unit_magnitude))

    def index_of(self, values_ns: NDArray[np.int64], most_ns: int | None = None) -> NDArray[np.int64]:
        """The bucket of each value; values are 0 to highest_ns. most_ns: the greatest of them, where it is known: within
        the first octave all buckets are equal. The exponent of a float64 is the position of the leading bit, which numpy
        has no function for."""
        if most_ns is not None and most_ns <= self._first_octave:
            return values_ns >> self.unit_magnitude
        exponents = (values_ns | self._first_octave).astype(np.float64).view(np.int64) >> 52
        octaves = exponents - (_FLOAT_EXPONENT_BIAS + self._first_octave.bit_length())
        return (octaves << self.half_magnitude) + (values_ns >> (octaves + self.unit_magnitude))

    def lower_of(self, indices: NDArray[np.integer]) -> NDArray[np.int64]:
        """The lowest value of each bucket, in ns."""
        wide, octaves = indices.astype(np.int64), self._octave_of(indices)
        return (wide - (octaves << self.half_magnitude)) << (octaves + self.unit_magnitude)

    def width_of(self, indices: NDArray[np.integer]) -> NDArray[np.int64]:
        """How many ns each bucket spans."""
        widths: NDArray[np.int64] = np.int64(1) << (self._octave_of(indices) + self.unit_magnitude)
        return widths

    def _octave_of(self, indices: NDArray[np.integer]) -> NDArray[np.int64]:
        octaves: NDArray[np.int64] = np.maximum((indices.astype(np.int64) >> self.half_magnitude) - 1, 0)
        return octaves


GEOMETRY = Geometry()
"""The one that perfgate records in: 1 µs to 1 h with three significant digits."""
