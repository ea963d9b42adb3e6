"""An immutable, sparse histogram of durations in integer nanoseconds."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perfgate.histogram.encoding import decode_counts, encode_counts
from perfgate.histogram.geometry import GEOMETRY, Geometry
from perfgate.plain_state import plain_state

SPARSE = 16
"""With more counters than this to each value, sorting the values takes less time than going through the counters."""
FEW = 512
"""So many values are sorted first, which finds their extremes, too."""


@plain_state
@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Only buckets that hold something are kept.

    buckets: int32[n], sorted indices in `geometry`; counts: int64[n], all > 0; both read-only.
    overflow: how many values lay above geometry.highest_ns; they count, but are not told apart.
    min_ns, max_ns: the exact extremes, overflow included; 0 when empty.
    """

    buckets: NDArray[np.int32]
    counts: NDArray[np.int64]
    overflow: int
    min_ns: int
    max_ns: int
    geometry: Geometry = GEOMETRY

    def __post_init__(self) -> None:
        self.buckets.setflags(write=False)
        self.counts.setflags(write=False)

    @classmethod
    def empty(cls, geometry: Geometry = GEOMETRY) -> Histogram:
        return cls(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64), 0, 0, 0, geometry)

    @classmethod
    def of(cls, values_ns: ArrayLike, geometry: Geometry = GEOMETRY) -> Histogram:
        """A histogram of integer durations (any shape). Raises ValueError for negative or non-integer values."""
        values = _as_durations(values_ns)
        if not len(values):
            return cls.empty(geometry)
        if sort := len(values) <= FEW:
            values = np.sort(values)
        low, high = (values[0], values[-1]) if sort else (np.minimum.reduce(values), np.maximum.reduce(values))
        low, high = int(low), int(high)
        if low < 0:
            raise ValueError(f"a duration of {low} ns is negative; was the wrong time subtracted from the other?")
        total = len(values)
        if high > geometry.highest_ns:
            values = values[values <= geometry.highest_ns]
        if not len(values):
            return dataclasses.replace(cls.empty(geometry), overflow=total, min_ns=low, max_ns=high)
        most = min(high, geometry.highest_ns)
        first, last = geometry.index_of_one(low), geometry.index_of_one(most)
        buckets, counts = _count(geometry.index_of(values, most), first, last, sort)
        return cls(buckets, counts, total - len(values), low, high, geometry)

    @classmethod
    def merge(cls, parts: Iterable[Histogram]) -> Histogram:
        """All values of all parts: exact, in any order and grouping; of no parts, empty.

        Raises ValueError when the geometries differ.
        """
        parts = list(parts)
        geometry = parts[0].geometry if parts else GEOMETRY
        for part in parts:
            if part.geometry != geometry:
                raise ValueError(f"cannot merge a histogram of {part.geometry} with one of {geometry}")
        filled = [part for part in parts if part.total]
        if not filled:
            return cls.empty(geometry)
        buckets, counts = _add(filled)
        return cls(
            buckets,
            counts,
            overflow=sum(part.overflow for part in filled),
            min_ns=min(part.min_ns for part in filled),
            max_ns=max(part.max_ns for part in filled),
            geometry=geometry,
        )

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram.merge((self, other))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return (
            (self.overflow, self.min_ns, self.max_ns) == (other.overflow, other.min_ns, other.max_ns)
            and self.geometry == other.geometry
            and np.array_equal(self.buckets, other.buckets)
            and np.array_equal(self.counts, other.counts)
        )

    def __hash__(self) -> int:
        return hash((self.total, self.overflow, self.min_ns, self.max_ns))

    def __repr__(self) -> str:
        return (
            f"<Histogram of {self.total} values, {self.min_ns} to {self.max_ns} ns, in {len(self.buckets)} buckets, "
            f"{self.overflow} above {self.geometry.highest_ns} ns>"
        )

    @property
    def total(self) -> int:
        """How many values were recorded, overflow included."""
        return int(self.counts.sum()) + self.overflow

    def quantile(self, q: float) -> float:
        """The value in ns below which the share `q` of the values lies; see `quantiles`."""
        return float(self.quantiles((q,))[0])

    def quantiles(self, qs: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """float64[len(qs)] in ns; NaN when empty. Raises ValueError for a q outside [0, 1].

        The value at rank r = q * total is found on the straight line through its bucket: a bucket [a, b) that holds the
        ranks (c, d] gives a + (r - c) / (d - c) * (b - a), clamped to [min_ns, max_ns]. Ranks in the overflow give
        max_ns. So a quantile never exceeds the maximum and never falls as q grows.
        """
        shares = np.asarray(qs, dtype=np.float64)
        if not np.all((shares >= 0) & (shares <= 1)):
            raise ValueError(f"quantiles are asked for by a share from 0 to 1, not {qs}")
        if not self.total:
            return np.full(shares.shape, np.nan)
        ranks = shares * self.total
        result = np.where(ranks > 0, float(self.max_ns), float(self.min_ns))
        if len(self.counts):
            ends = np.cumsum(self.counts)
            inside = ranks <= ends[-1]
            result[inside] = self._interpolate(ranks[inside], ends)
        clamped: NDArray[np.float64] = np.clip(result, self.min_ns, self.max_ns)
        return clamped

    def _interpolate(self, ranks: NDArray[np.float64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
        position = np.searchsorted(ends, ranks, side="left")
        counts, buckets = self.counts[position], self.buckets[position]
        share = (ranks - (ends[position] - counts)) / counts
        return self.geometry.lower_of(buckets) + share * self.geometry.width_of(buckets)

    def mean(self) -> float:
        """In ns, NaN when empty; a value counts as its bucket's middle, one in the overflow as max_ns."""
        if not self.total:
            return float("nan")
        middles = self.geometry.lower_of(self.buckets) + self.geometry.width_of(self.buckets) / 2
        mean = (float(middles @ self.counts) + float(self.max_ns) * self.overflow) / self.total
        return min(max(mean, float(self.min_ns)), float(self.max_ns))

    def encode(self) -> bytes:
        """HdrHistogram V2, compressed. It has no place for overflow and exact extremes: see `to_json`."""
        return encode_counts(self.buckets, self.counts, self.geometry)

    @classmethod
    def decode(cls, data: bytes, geometry: Geometry = GEOMETRY) -> Histogram:
        """Reads HdrHistogram V2. The extremes are the edges of the outermost buckets; values that another
        implementation recorded above geometry.highest_ns become overflow.

        Raises ValueError for damaged bytes or another geometry.
        """
        indices, counts = decode_counts(data, geometry)
        if not len(indices):
            return cls.empty(geometry)
        low, high = geometry.lower_of(indices[:1])[0], geometry.lower_of(indices[-1:])[0]
        high += geometry.width_of(indices[-1:])[0] - 1
        inside = indices <= geometry.last_index
        overflow = int(counts[~inside].sum())
        if not overflow:
            high = min(int(high), geometry.highest_ns)
        return cls(indices[inside].astype(np.int32), counts[inside], overflow, int(low), int(high), geometry)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready and exact: `hdr` (base64 of `encode`), `overflow`, `min_ns`, `max_ns`."""
        hdr = base64.b64encode(self.encode()).decode("ascii")
        return {"hdr": hdr, "overflow": self.overflow, "min_ns": self.min_ns, "max_ns": self.max_ns}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], geometry: Geometry = GEOMETRY) -> Histogram:
        """The inverse of `to_json`. Raises ValueError for anything else."""
        try:
            hdr = base64.b64decode(data["hdr"], validate=True)
            overflow, low, high = (int(data[name]) for name in ("overflow", "min_ns", "max_ns"))
        except (KeyError, TypeError, binascii.Error, OverflowError) as error:
            raise ValueError(f"not a histogram (hdr, overflow, min_ns, max_ns): {error!r}") from error
        if not 0 <= overflow < 2**63 or not 0 <= low <= high < 2**63:
            raise ValueError(f"not a histogram: overflow {overflow}, min_ns {low}, max_ns {high}")
        decoded = cls.decode(hdr, geometry)
        return cls(decoded.buckets, decoded.counts, overflow, low, high, geometry)


def _as_durations(values_ns: ArrayLike) -> NDArray[np.int64]:
    values = np.asarray(values_ns).reshape(-1)
    if values.size and values.dtype.kind not in "iu":
        raise ValueError(f"durations are integer nanoseconds, not {values.dtype}")
    return values.astype(np.int64, copy=False)


def _count(
    indices: NDArray[np.int64], first: int, last: int, ordered: bool
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Which indices, all of them from first to last, occur, sorted, and how often each. ordered: they are sorted."""
    if last - first > SPARSE * len(indices):
        return _count_ordered(indices if ordered else np.sort(indices))
    if first <= last - first:  # counting from 0 costs less than moving the indices
        dense = np.bincount(indices)
        filled = dense.nonzero()[0]
        return filled.astype(np.int32), dense[filled].astype(np.int64, copy=False)
    dense = np.bincount(indices - first)
    filled = dense.nonzero()[0]
    return (filled + first).astype(np.int32), dense[filled].astype(np.int64, copy=False)


def _count_ordered(ordered: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The same of sorted indices: one slow reply among a few hundred spreads them over thousands of counters."""
    steps = (ordered[1:] != ordered[:-1]).nonzero()[0]
    ends = np.empty(len(steps) + 1, dtype=np.int64)  # the last place of each index
    ends[:-1], ends[-1] = steps, len(ordered) - 1
    counts = ends.copy()
    counts[1:] -= steps
    counts[0] += 1
    return ordered[ends].astype(np.int32), counts


def _add(parts: Sequence[Histogram]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The sum of sparse counts; in integers, because bincount's weights are floats, which are exact only to 2**53."""
    buckets = np.concatenate([part.buckets for part in parts])
    if not len(buckets):
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
    dense = np.zeros(int(buckets.max()) + 1, dtype=np.int64)
    for part in parts:
        dense[part.buckets] += part.counts  # a part has each bucket once
    filled = dense.nonzero()[0]
    return filled.astype(np.int32), dense[filled]
