"""Vectors as JSON text, encoded once, kept in one file with an array of offsets."""

from __future__ import annotations

import os
import weakref
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
    """The texts of write_encoded(), read when asked for.

    A read costs a few microseconds, as the faults of a map would, but what was read doesn't stay in our memory: the
    texts of 1 M vectors take 6 GB.
    """

    def __init__(self, path: Path) -> None:
        # A memoryview, because numpy's own indexing takes longer than all the rest.
        self._offsets = memoryview(np.load(_offsets_path(path), mmap_mode="r"))
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> memoryview:
        """The JSON text of one row."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} encoded vectors")
        start = self._offsets[row]
        return memoryview(os.pread(self._file, self._offsets[row + 1] - 1 - start, start))


def _offsets_path(path: Path) -> Path:
    return path.with_name(path.name + ".offsets.npy")
