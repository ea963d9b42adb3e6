"""What `recordings.py` recorded: response times of the same build loaded twice with the same requests, couple by couple."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfgate.operation import OPERATIONS, Operation

NAMES = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)
OPERATIONS_RECORDED = tuple(OPERATIONS.index(name) for name in NAMES)
STEP = 0.002
"""Response times are kept as whole steps of their log: to 0.1 %, like a histogram's buckets."""
LEAST_NS = 10_000.0
FAILED = -1

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recording:
    """Pairs of one length of slice, in the order in which they were recorded.

    counts: requests of each couple, int32 (pairs, couples), the same in both arms; first: whether the candidate was loaded
    first, bool (pairs, couples). operation: position in NAMES, uint8 (requests,), by pair, couple and due time; response:
    int16 (2, requests), base and candidate of the same request, see `response_ns`. lag_us: mean and p99 of the generator's
    own lag, float32 (pairs, couples, 2 arms, 2). steal: share of a processor's time that the hypervisor took, float32
    (pairs, couples, 2 arms). origin: seed and number of each pair, int32 (pairs, 2). probe: while each arm was loaded, mean
    log of how long the idle one's health took and of how late a thread woke up, in ns, float32 (pairs, couples, 2 arms, 2), NaN
    where nobody was asked.
    """

    slice_s: float
    counts: NDArray[np.int32]
    first: NDArray[np.bool_]
    operation: NDArray[np.uint8]
    response: NDArray[np.int16]
    lag_us: NDArray[np.float32]
    steal: NDArray[np.float32]
    origin: NDArray[np.int32]
    probe: NDArray[np.float32]

    @property
    def pairs(self) -> int:
        return len(self.counts)

    @property
    def couples(self) -> int:
        return int(self.counts.shape[1])

    @classmethod
    def join(cls, slice_s: float, parts: Sequence[Recording]) -> Recording:
        """All pairs of all parts, which have the same number of couples."""
        axes = {"operation": 0, "response": 1}
        names = [field.name for field in fields(cls) if field.name != "slice_s"]
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts], axis=axes.get(name, 0)) for name in names
        }
        return cls(slice_s=slice_s, **joined)

    def save(self, path: Path) -> None:
        """Response times are kept as two planes of bytes, which pack better than their words."""
        planes = {
            "response_low": (self.response & 0xFF).astype(np.uint8),
            "response_high": (self.response >> 8).astype(np.int8),
        }
        others = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "response"}
        np.savez_compressed(path, **others, **planes)

    @classmethod
    def load(cls, path: Path) -> Recording:
        """The inverse of `save`."""
        with np.load(path) as found:
            response = (found["response_high"].astype(np.int16) << 8) | found["response_low"]
            others: dict[str, Any] = {
                field.name: found[field.name]
                for field in fields(cls)
                if field.name not in ("response", "slice_s", "probe")
            }
            nobody = np.full((*found["steal"].shape, 2), np.nan, dtype=np.float32)
            others["probe"] = found.get("probe", nobody)
            return cls(slice_s=float(found["slice_s"]), response=response.astype(np.int16), **others)

    def by_pair(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8], Floats]]:
        """For each pair: which couple each request belongs to (n,), its operation (n,), and response times in ns, NaN where
        a request failed, float64 (2, n)."""
        ends = self.counts.sum(axis=1).cumsum()
        for pair, end in enumerate(ends.tolist()):
            rows = slice(end - int(self.counts[pair].sum()), end)
            couple = np.repeat(np.arange(self.couples), self.counts[pair])
            yield couple, self.operation[rows], response_ns(self.response[:, rows])


def quantised(times_ns: NDArray[np.int64]) -> NDArray[np.int16]:
    """Whole steps of the log above LEAST_NS, int16 of the same shape; FAILED for 0."""
    steps = np.rint(np.log(np.maximum(times_ns, LEAST_NS) / LEAST_NS) / STEP)
    result: NDArray[np.int16] = np.where(times_ns > 0, steps, FAILED).astype(np.int16)
    return result


def response_ns(steps: NDArray[np.int16]) -> Floats:
    """The inverse of `quantised`, to half a step: float64, NaN for FAILED."""
    times: Floats = np.where(steps == FAILED, np.nan, LEAST_NS * np.exp(STEP * steps.astype(np.float64)))
    return times
