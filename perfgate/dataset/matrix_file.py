"""float32 matrices as .npy files, written and read a block at a time.

Through plain reads and writes and not through a map: the pages of a map count as our memory, and data may be larger.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


class MatrixWriter:
    """Writes the header of a (rows, dim) matrix, then blocks of rows."""

    def __init__(self, path: Path, rows: int, dim: int) -> None:
        self._file = path.open("wb")
        npy.write_array_header_1_0(self._file, {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, block: NDArray[np.float32]) -> None:
        self._file.write(np.ascontiguousarray(block, dtype="<f4").data)


def read_blocks(path: Path, rows_per_block: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(first row, float32 (rows, dim)) of each block of the matrix, in order."""
    with path.open("rb") as file:
        npy.read_magic(file)
        (rows, dim), _, _ = npy.read_array_header_1_0(file)
        for start in range(0, rows, rows_per_block):
            count = min(rows_per_block, rows - start)
            yield start, np.fromfile(file, "<f4", count * dim).reshape(count, dim)


def read_rows(path: Path, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Some rows of the matrix, in any order: float32 (len(rows), dim)."""
    with path.open("rb") as file:
        npy.read_magic(file)
        (_, dim), _, _ = npy.read_array_header_1_0(file)
        start, width = file.tell(), 4 * dim
        found = np.empty((len(rows), dim), np.float32)
        for place, row in enumerate(rows.tolist()):
            found[place] = np.frombuffer(os.pread(file.fileno(), width, start + row * width), "<f4")
    return found
