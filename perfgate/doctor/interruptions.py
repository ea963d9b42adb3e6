"""When a processor did something else than what it was asked for, and for how long."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perfgate.errors import MeasurementError
from perfgate.units import NS_PER_MS, NS_PER_S, NS_PER_US

Window = tuple[int, int]
"""Start and end in ns of the monotonic clock."""
SLACK_NS = 300 * NS_PER_US
"""Around what perfgate itself did: waking up and falling asleep belong to it."""


@dataclass(frozen=True, slots=True)
class Band:
    """Interruptions of least_ns <= length < most_ns. share: of the time, lost to them."""

    name: str
    least_ns: int
    most_ns: int
    count: int
    a_second: float
    longest_ns: int
    share: float


BANDS = (
    ("0.1 to 1 ms", NS_PER_MS // 10, NS_PER_MS),
    ("1 to 10 ms", NS_PER_MS, 10 * NS_PER_MS),
    ("over 10 ms", 10 * NS_PER_MS, 2**63 - 1),
)


@dataclass(frozen=True, slots=True, eq=False)
class Interruptions:
    """Of one processor. began_ns, span_ns: monotonic clock. starts_ns, lengths_ns: int64 (n,), in order of time, those
    longer than 50 µs. reading_ns: how long one reading of the clock and one turn of the loop took. switches: involuntary
    context switches of the probe. dropped: interruptions beyond what was kept."""

    cpu: int | None
    began_ns: int
    span_ns: int
    starts_ns: NDArray[np.int64]
    lengths_ns: NDArray[np.int64]
    reading_ns: float = 0.0
    switches: int = 0
    dropped: int = 0
    realtime: bool | None = None

    @property
    def lost_share(self) -> float:
        """Of the time."""
        return float(self.lengths_ns.sum()) / self.span_ns if self.span_ns else 0.0

    @property
    def longest_ns(self) -> int:
        """0 where there was none."""
        return int(self.lengths_ns.max(initial=0))

    def bands(self) -> tuple[Band, ...]:
        """One for each of BANDS, also where nothing falls into it."""
        return tuple(self._band(*band) for band in BANDS)

    def without(self, windows: Sequence[Window]) -> Interruptions:
        """Without those that perfgate itself caused in these windows of time."""
        ends = self.starts_ns + self.lengths_ns
        own = np.zeros(len(ends), dtype=np.bool_)
        for start, end in windows:
            own |= (ends > start - SLACK_NS) & (self.starts_ns < end + SLACK_NS)
        return replace(self, starts_ns=self.starts_ns[~own], lengths_ns=self.lengths_ns[~own])

    def _band(self, name: str, least: int, most: int) -> Band:
        inside = self.lengths_ns[(self.lengths_ns >= least) & (self.lengths_ns < most)]
        seconds = self.span_ns / NS_PER_S
        return Band(
            name, least, most, len(inside), len(inside) / seconds if seconds else 0.0, int(inside.max(initial=0)),
            float(inside.sum()) / self.span_ns if self.span_ns else 0.0,
        )  # fmt: skip


def parse_probe(output: bytes, cpu: int | None) -> Interruptions:
    """What `still_probe` wrote. Raises MeasurementError for anything else."""
    head, _, arrays = output.partition(b"\n")
    try:
        said = json.loads(head)
        gaps, span = int(said["gaps"]), int(said["ended_ns"]) - int(said["began_ns"])
        values = np.frombuffer(arrays, dtype=np.int64)
        if len(values) != 2 * gaps or span <= 0:
            raise ValueError(f"{len(values)} numbers for {gaps} gaps in {span} ns")
        starts, lengths = values[:gaps], values[gaps:]
        return Interruptions(
            cpu, int(said["began_ns"]), span, starts, lengths,
            reading_ns=max(0.0, (span - float(lengths.sum())) / max(1, int(said["readings"]))),
            switches=int(said["switches"]), dropped=int(said["dropped"]), realtime=bool(said["realtime"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise MeasurementError(f"the noise probe wrote what cannot be read: {error}; please report this") from error
