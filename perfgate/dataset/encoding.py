"""Vectors as JSON text, encoded once, kept in one file with an array of offsets."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray


def write_encoded(path: Path, blocks: Iterable[NDArray[np.float32]]) -> None:
    """Writes `[0.01234,-0.5,…]` of every row, one after the other, to `path`, and where each begins to path.offsets.

    The text is the shortest that gives the same float32 again.
    """
    starts: list[NDArray[np.int64]] = []
    written = 0
    with path.open("wb") as file:
        for block in blocks:
            text = orjson.dumps(np.ascontiguousarray(block), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
            opened = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("["))
            starts.append(opened.astype(np.int64) + written)
            written += file.write(text)
    ends = np.array([written], np.int64)
    np.save(_offsets_path(path), np.concatenate([*starts, ends]))


class EncodedVectors:
    """The texts of write_encoded(), memory-mapped."""

    def __init__(self, path: Path) -> None:
        self._offsets: NDArray[np.int64] = np.load(_offsets_path(path), mmap_mode="r")
        with path.open("rb") as file:
            size = path.stat().st_size
            self._text = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> memoryview:
        """The JSON text of one row, no copy."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} encoded vectors")
        return self._text[int(self._offsets[row]) : int(self._offsets[row + 1]) - 1]


def _offsets_path(path: Path) -> Path:
    return path.with_name(path.name + ".offsets.npy")
