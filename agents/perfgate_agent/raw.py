"""Keeps every request as it was, on request: for studies of what histograms no longer hold. Off unless PERFGATE_RAW names
a directory; then each worker appends to a file of its own there, one array of ROW an interval.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfgate.errors import InputError
from perfgate.outcome import Outcome
from perfgate.segment import Segment, SegmentKind

VARIABLE = "PERFGATE_RAW"
"""In the agent's environment: the directory. Some 60 bytes a request are written, and nothing limits how much."""

ROW = np.dtype(
    [
        ("run_ns", "<i8"), ("at_ns", "<i8"), ("sent_ns", "<i8"), ("wait_ns", "<i8"), ("done_ns", "<i8"), ("index", "<i8"),
        ("segment", "<i4"), ("couple", "<i4"), ("measured", "u1"), ("arm", "u1"), ("operation", "u1"), ("outcome", "u1"),
    ]
)  # fmt: skip
"""One request. run_ns: where the run's clock has its zero on the monotonic clock, the same for all rows of one pair; at_ns
(when it was due), sent_ns, done_ns: on the run's clock, the latter two 0 where it never came to that; wait_ns: for a free
connection. index: of the plan, the same in both arms. operation, outcome: positions in OPERATIONS and OUTCOMES. couple: -1
outside of couples."""

Integers = NDArray[np.int64]
Rows = NDArray[np.void]


class RawRows:
    """The requests of one interval, in the order in which they ended, until they are written."""

    __slots__ = ("_directory", "_origin_ns", "_parts", "_segment")

    def __init__(self, directory: Path, segment: Segment, origin_ns: int) -> None:
        self._directory = directory
        self._segment = segment
        self._origin_ns = origin_ns
        self._parts: list[Rows] = []

    def add(
        self, code: int, outcome: Outcome, index: Integers | Sequence[int], at_ns: Integers | Sequence[int],
        sent_ns: Integers | Sequence[int], wait_ns: Integers | Sequence[int], done_ns: Integers | Sequence[int],
    ) -> None:  # fmt: skip
        """Requests of one operation that ended the same way; times of the monotonic clock, 0 for never."""
        rows = np.zeros(len(at_ns), dtype=ROW)
        rows["index"], rows["wait_ns"] = index, wait_ns
        for name, times in (("at_ns", at_ns), ("sent_ns", sent_ns), ("done_ns", done_ns)):
            times = np.asarray(times, dtype=np.int64)
            rows[name] = np.where(times > 0, times - self._origin_ns, 0)
        rows["operation"], rows["outcome"] = code, outcome
        self._parts.append(rows)

    def write(self, worker: str) -> None:
        """Append them to the worker's file. Raises InputError where that cannot be written."""
        if not self._parts:
            return
        rows = np.concatenate(self._parts)
        rows["run_ns"], rows["segment"], rows["couple"] = self._origin_ns, self._segment.number, self._segment.couple
        rows["measured"], rows["arm"] = self._segment.kind is SegmentKind.MEASURED, self._segment.arm
        path = self._directory / f"{worker.replace('/', '-')}-{os.getpid()}.npys"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                np.save(file, rows)
        except OSError as error:
            raise InputError(
                f"{VARIABLE}: {path}: {error.strerror}; name a directory with room, or unset it"
            ) from error
        self._parts.clear()


def raw_rows(segment: Segment, origin_ns: int) -> RawRows | None:
    """Where an interval's requests are to be kept; None when nobody asked for it."""
    directory = os.environ.get(VARIABLE, "")
    return RawRows(Path(directory), segment, origin_ns) if directory else None


def read_raw(directory: Path) -> Rows:
    """All that the workers of one or several runs wrote there: ROW (n,), by run and due time. Raises InputError where
    there is nothing."""
    parts = []
    for path in sorted(directory.glob("*.npys")):
        with path.open("rb") as file:
            end = path.stat().st_size
            while file.tell() < end:
                parts.append(np.load(file))
    if not parts:
        raise InputError(f"{directory}: has no raw requests; run with {VARIABLE}={directory}")
    rows: Rows = np.concatenate(parts)
    return rows[np.lexsort((rows["at_ns"], rows["run_ns"]))]
