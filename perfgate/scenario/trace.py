"""A recorded trace as text that travels inside a scenario, so that every agent has it whatever its machine.

The text is base64 of bz2 (whose output is the same everywhere) of: the number of rows (8 bytes), then three columns,
each with its bytes sorted by place (all lowest bytes first), which is what makes them small: time differences in µs
(uint64), operation codes (uint8), keys + 1, 0 for none (uint64). All little-endian.
"""

from __future__ import annotations

import base64
import binascii
import bz2
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from perfgate.operation import OPERATIONS

MAX_ROWS = 2_000_000
MAX_CHARACTERS = 4_000_000
"""A scenario travels in one message; about 1.5 million rows without keys fit, 600,000 with."""
NO_KEY = -1
_ROW_BYTES = 8 + 1 + 8
_HEAD = 8


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """time_us: int64 (n,), sorted, from 0. operation: uint8, position in OPERATIONS. key: int64, NO_KEY for none."""

    time_us: NDArray[np.int64]
    operation: NDArray[np.uint8]
    key: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time_us)


@dataclass(frozen=True, slots=True)
class Trace:
    """`name` is the file's, for people; `text` is what the module says."""

    name: str
    text: str

    def columns(self) -> Columns:
        """Raises ValueError for a text that is no trace."""
        return decode(self.text)


def encode(columns: Columns) -> str:
    """The text of a trace."""
    gaps = np.diff(columns.time_us, prepend=0)
    raw = len(columns).to_bytes(_HEAD, "little") + _by_place(gaps)
    raw += columns.operation.tobytes() + _by_place(columns.key + 1)
    return base64.b64encode(bz2.compress(raw, 9)).decode("ascii")


@lru_cache(maxsize=2)
def decode(text: str) -> Columns:
    """The inverse. Never makes more than MAX_ROWS, whatever the text is. Raises ValueError."""
    limit = _HEAD + MAX_ROWS * _ROW_BYTES + 1
    packed = bz2.BZ2Decompressor()
    try:
        raw = packed.decompress(base64.b64decode(text, validate=True), max_length=limit)
    except (OSError, EOFError, binascii.Error) as error:
        raise ValueError(f"a trace that cannot be unpacked: {error}") from error
    rows = int.from_bytes(raw[:_HEAD], "little")
    if not packed.eof or not 0 < rows <= MAX_ROWS or len(raw) != _HEAD + rows * _ROW_BYTES:
        raise ValueError(f"a trace of {len(raw)} bytes that names {rows} rows")
    gaps, rest = raw[_HEAD : _HEAD + 8 * rows], raw[_HEAD + 8 * rows :]
    columns = Columns(
        np.cumsum(_from_places(gaps)), np.frombuffer(rest[:rows], np.uint8), _from_places(rest[rows:]) - 1
    )
    if columns.operation.max() >= len(OPERATIONS) or columns.key.min() < NO_KEY or np.any(np.diff(columns.time_us) < 0):
        raise ValueError("a trace with operations, keys or times that do not exist")
    return columns


def _by_place(numbers: NDArray[np.int64]) -> bytes:
    return numbers.astype("<i8").view(np.uint8).reshape(-1, 8).T.tobytes()


def _from_places(raw: bytes) -> NDArray[np.int64]:
    return np.frombuffer(raw, np.uint8).reshape(8, -1).T.copy().view("<i8").ravel().astype(np.int64)
