"""Latencies in HDR buckets: exact counts, exact merging, a known error. Immutable and sparse.

Bucket numbers and the wire format are those of HdrHistogram (Gil Tene), so that every other implementation can read
what this one writes: 1 µs to 1 h at three significant digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Geometry:
    """Which values fall into which bucket. lowest_ns, highest_ns: the range; digits: significant decimal digits."""

    lowest_ns: int = 1_000
    highest_ns: int = 3_600_000_000_000
    digits: int = 3

    @property
    def unit_magnitude(self) -> int:
        """log2 of the smallest bucket's width in ns."""
        return int(math.floor(math.log2(self.lowest_ns)))

    @property
    def half_magnitude(self) -> int:
        """log2 of half the number of sub-buckets."""
        return math.ceil(math.log2(2 * 10**self.digits)) - 1

    @property
    def sub_buckets(self) -> int:
        return 2 << self.half_magnitude

    @property
    def length(self) -> int:
        """Number of counters, as HdrHistogram lays them out."""
        buckets, smallest_beyond = 1, self.sub_buckets << self.unit_magnitude
        while smallest_beyond <= self.highest_ns:
            smallest_beyond <<= 1
            buckets += 1
        return (buckets + 1) * (self.sub_buckets // 2)

    def bucket_of(self, values: NDArray[np.int64]) -> NDArray[np.int32]:
        """Bucket number of each value in ns (>= 0, <= highest_ns)."""
        unit, half = self.unit_magnitude, self.half_magnitude
        # frexp's exponent is the bit length, exactly, for integers below 2**53 ns (104 days).
        bits = np.frexp((values | ((self.sub_buckets << unit) - 1)).astype(np.float64))[1]
        exponent = bits - (unit + half + 1)
        return (((exponent + 1) << half) + (values >> (exponent + unit)) - (1 << half)).astype(np.int32)

    def low_of(self, buckets: NDArray[np.int32]) -> NDArray[np.int64]:
        """Smallest value of each bucket, in ns."""
        exponent, sub = self._split(buckets)
        return sub << (exponent + self.unit_magnitude)

    def width_of(self, buckets: NDArray[np.int32]) -> NDArray[np.int64]:
        """How many ns each bucket spans."""
        exponent, _ = self._split(buckets)
        return np.int64(1) << (exponent + self.unit_magnitude)

    def _split(self, buckets: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        wide = buckets.astype(np.int64)
        half = np.int64(1 << self.half_magnitude)
        exponent = (wide >> self.half_magnitude) - 1
        sub = (wide & (half - 1)) + half
        first = exponent < 0
        return np.where(first, 0, exponent), np.where(first, sub - half, sub)


GEOMETRY = Geometry()


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """buckets: int32, sorted, those that hold anything. counts: int64, the same length, all positive. overflow: values
    above the range, counted and never dropped. min_ns, max_ns: exact extremes incl. overflow, 0 when empty."""

    buckets: NDArray[np.int32]
    counts: NDArray[np.int64]
    overflow: int
    min_ns: int
    max_ns: int

    @classmethod
    def empty(cls) -> Histogram:
        return cls(np.empty(0, np.int32), np.empty(0, np.int64), 0, 0, 0)

    @classmethod
    def of(cls, values_ns: ArrayLike) -> Histogram:
        """Record many: integers of ns, of any shape. Raises ValueError for a negative value."""
        values = np.asarray(values_ns, dtype=np.int64).ravel()
        if not len(values):
            return cls.empty()
        low, high = int(values.min()), int(values.max())
        if low < 0:
            raise ValueError(f"a latency of {low} ns cannot be recorded: time does not run backwards")
        overflow = 0
        if high > GEOMETRY.highest_ns:
            inside = values[values <= GEOMETRY.highest_ns]
            overflow, values = len(values) - len(inside), inside
        numbers, counts = _count(GEOMETRY.bucket_of(values), None)
        return cls(numbers, counts, overflow, low, high)

    @property
    def total(self) -> int:
        """How many values were recorded, overflow included."""
        return int(self.counts.sum()) + self.overflow

    @classmethod
    def merge(cls, parts: Iterable[Histogram]) -> Histogram:
        """All values of all parts: exact, associative, commutative."""
        full = [part for part in parts if part.total]
        if not full:
            return cls.empty()
        if len(full) == 1:
            return full[0]
        numbers, counts = _count(
            np.concatenate([part.buckets for part in full]), np.concatenate([part.counts for part in full])
        )
        return cls(
            numbers,
            counts,
            sum(part.overflow for part in full),
            min(part.min_ns for part in full),
            max(part.max_ns for part in full),
        )

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram.merge([self, other])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return (
            (self.overflow, self.min_ns, self.max_ns) == (other.overflow, other.min_ns, other.max_ns)
            and np.array_equal(self.buckets, other.buckets)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]

    def quantile(self, q: float) -> float:
        """The value in ns below which the share `q` of all values lies; NaN for an empty histogram."""
        return float(self.quantiles([q])[0])

    def quantiles(self, qs: Sequence[float]) -> NDArray[np.float64]:
        """Quantiles in ns, float64 of len(qs), interpolated linearly by rank inside a bucket.

        Rank q x total is looked up in the cumulative counts, whose values are taken to be spread evenly over their
        bucket. The result never leaves [min_ns, max_ns], does not fall in q, and is max_ns where the rank lies in the
        overflow. NaN for an empty histogram. Raises ValueError for a q outside [0, 1].
        """
        wanted = np.asarray(qs, dtype=np.float64)
        if np.any(~((wanted >= 0) & (wanted <= 1))):
            raise ValueError(f"quantiles {list(qs)} must lie between 0 and 1")
        if not self.total:
            return np.full(len(wanted), np.nan)
        if not len(self.counts):
            return np.where(wanted > 0, float(self.max_ns), float(self.min_ns))
        upto = np.cumsum(self.counts).astype(np.float64)
        ranks = wanted * self.total
        position = np.minimum(np.searchsorted(upto, ranks, side="left"), len(upto) - 1)
        inside = (ranks - (upto[position] - self.counts[position])) / self.counts[position]
        numbers = self.buckets[position]
        values = GEOMETRY.low_of(numbers) + inside * GEOMETRY.width_of(numbers)
        values = np.where(ranks > upto[-1], self.max_ns, values)
        return np.clip(values, self.min_ns, self.max_ns).astype(np.float64)

    def mean(self) -> float:
        """Mean in ns from the buckets' middles (overflow at max_ns); NaN for an empty histogram."""
        if not self.total:
            return math.nan
        middles = GEOMETRY.low_of(self.buckets) + GEOMETRY.width_of(self.buckets) / 2
        return float((middles @ self.counts + self.overflow * self.max_ns) / self.total)

    def encode(self) -> bytes:
        """HdrHistogram V2, compressed. Overflow and exact extremes have no place in it: see `to_json`."""
        from perfgate.hdr_encoding import encode_v2

        return encode_v2(self.buckets, self.counts, GEOMETRY)

    @classmethod
    def decode(cls, data: bytes) -> Histogram:
        """Read HdrHistogram V2, compressed or not. Extremes are those of the buckets. Raises ValueError for another
        geometry or for bytes that are no histogram."""
        from perfgate.hdr_encoding import decode_v2

        numbers, counts = decode_v2(data, GEOMETRY)
        if not len(numbers):
            return cls.empty()
        low = int(GEOMETRY.low_of(numbers[:1])[0])
        high = int((GEOMETRY.low_of(numbers[-1:]) + GEOMETRY.width_of(numbers[-1:]))[0]) - 1
        return cls(numbers, counts, 0, low, high)

    def to_json(self) -> dict[str, Any]:
        """Everything, with the buckets as base64 of HdrHistogram V2 that other tools can read."""
        import base64

        return {
            "hdr": base64.b64encode(self.encode()).decode(),
            "overflow": self.overflow,
            "min_ns": self.min_ns,
            "max_ns": self.max_ns,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Histogram:
        """The exact inverse of `to_json`. Raises ValueError or KeyError for anything else."""
        import base64

        decoded = cls.decode(base64.b64decode(data["hdr"], validate=True))
        return cls(decoded.buckets, decoded.counts, int(data["overflow"]), int(data["min_ns"]), int(data["max_ns"]))


def _count(
    numbers: NDArray[np.int32], weights: NDArray[np.int64] | None
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Sum the weights (1 each when None) of equal bucket numbers; sorted."""
    if not len(numbers):
        return np.empty(0, np.int32), np.empty(0, np.int64)
    if weights is None:
        low = int(numbers.min())
        counts = np.bincount(numbers - low)
        found = np.flatnonzero(counts)
        return (found + low).astype(np.int32), counts[found].astype(np.int64)
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return ordered[starts], np.add.reduceat(weights[order], starts)
