"""Vectors from a file: .npy (float, 2-D) and .fvecs.

Read by rows and not through a map, whose pages would count as our memory: the file may be larger than that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfgate.errors import InputError

_FIELD = "data.embedding_distribution.path"
_CHECK_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where row r lies: `stride` bytes from offset + r * stride on, of which the first `skip` are no vector."""

    offset: int
    stride: int
    skip: int
    dtype: np.dtype[np.floating]

    def position(self, row: int) -> int:
        return self.offset + row * self.stride


class VectorFile:
    """A checked file of `rows` vectors of `dim` floats.

    Raises InputError where the file is missing, of another kind, shape or dimension, holds NaN or infinite numbers, or
    a vector of length zero.
    """

    def __init__(self, path: str, dim: int) -> None:
        self.path = Path(path)
        self.dim = dim
        if not self.path.is_file():
            raise InputError(f"{_FIELD} {path!r}: no such file; give the path of a .npy or .fvecs file")
        self.rows, self._layout = self._check_shape()
        self._check_values()

    def read(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Rows as float32 (n, dim); a slice has no step."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self.rows)
            return self._read_with_heads(start, stop)[0]
        with self.path.open("rb") as file:
            places = map(self._layout.position, rows.tolist())
            raw = b"".join(os.pread(file.fileno(), self._layout.stride, place) for place in places)
        return self._decode(np.frombuffer(raw, np.uint8).reshape(-1, self._layout.stride))

    def _read_with_heads(self, start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
        """Rows, and what stands before each in the file (.fvecs: its dimension)."""
        with self.path.open("rb") as file:
            raw = os.pread(file.fileno(), (stop - start) * self._layout.stride, self._layout.position(start))
        records = np.frombuffer(raw, np.uint8).reshape(-1, self._layout.stride)
        heads = np.ascontiguousarray(records[:, : self._layout.skip]).view("<i4")[:, 0] if self._layout.skip else None
        return self._decode(records), heads

    def _decode(self, records: NDArray[np.uint8]) -> NDArray[np.float32]:
        vectors = np.ascontiguousarray(records[:, self._layout.skip :]).view(self._layout.dtype)
        return vectors.astype(np.float32, copy=False)

    def _check_shape(self) -> tuple[int, _Layout]:
        match self.path.suffix:
            case ".fvecs":
                return self._check_fvecs()
            case ".npy":
                return self._check_npy()
        raise InputError(f"{_FIELD} {str(self.path)!r}: unknown kind of file; write the vectors as .npy or .fvecs")

    def _check_npy(self) -> tuple[int, _Layout]:
        try:
            array = np.load(self.path, mmap_mode="r", allow_pickle=False)
            offset, shape, dtype, c_order = int(array.offset), array.shape, array.dtype, array.flags.c_contiguous
        except (ValueError, OSError, EOFError, AttributeError) as error:
            raise InputError(
                f"{_FIELD} {str(self.path)!r} is not a readable .npy file ({error}): save it with numpy.save"
            ) from None
        if len(shape) != 2 or dtype.kind != "f" or not shape[0] or not c_order:
            raise InputError(
                f"{_FIELD} {str(self.path)!r} holds {dtype} of shape {shape}{'' if c_order else ' in Fortran order'}: "
                "save a 2-D array of floats, one vector a row, in C order"
            )
        self._check_dim(shape[1])
        return shape[0], _Layout(offset, self.dim * dtype.itemsize, 0, dtype)

    def _check_fvecs(self) -> tuple[int, _Layout]:
        size = self.path.stat().st_size
        if size < 8:
            raise InputError(f"{_FIELD} {str(self.path)!r} holds no vector; give a file with at least one")
        self._check_dim(int(np.fromfile(self.path, dtype="<i4", count=1)[0]))
        rows, rest = divmod(size, 4 * (self.dim + 1))
        if rest:
            raise InputError(f"{_FIELD} {str(self.path)!r} ends inside a vector ({rest} bytes too many): copy it anew")
        return rows, _Layout(0, 4 * (self.dim + 1), 4, np.dtype("<f4"))

    def _check_dim(self, found: int) -> None:
        if found != self.dim:
            raise InputError(
                f"{_FIELD} {str(self.path)!r} holds vectors of dimension {found}, but data.embedding_dim is "
                f"{self.dim}: write embedding_dim = {found} or give another file"
            )

    def _check_heads(self, start: int, heads: NDArray[np.int32] | None) -> None:
        wrong = [] if heads is None else np.flatnonzero(heads != self.dim).tolist()
        if heads is not None and wrong:
            raise InputError(
                f"{_FIELD} {str(self.path)!r}: vector {start + wrong[0]} says dimension {heads[wrong[0]]}, "
                f"the first says {self.dim}; write vectors of one dimension"
            )

    def _check_values(self) -> None:
        for start in range(0, self.rows, _CHECK_ROWS):
            vectors, heads = self._read_with_heads(start, min(start + _CHECK_ROWS, self.rows))
            self._check_heads(start, heads)
            lengths = np.linalg.norm(vectors, axis=1)
            wrong = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
            if len(wrong):
                what = "is all zeros" if lengths[wrong[0]] == 0 else "holds NaN, infinite or huge numbers"
                raise InputError(
                    f"{_FIELD} {str(self.path)!r}: vector {start + wrong[0]} {what}; remove such vectors from the file"
                )
