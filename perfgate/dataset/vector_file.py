"""Vectors from a file: .npy (float, 2-D) and .fvecs, read by rows so that a large file needs little memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfgate.errors import InputError

_FIELD = "data.embedding_distribution.path"
_CHECK_ROWS = 8_192


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
        self.rows = self._check_shape()
        self._check_values()

    def read(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Rows as float32 (n, dim). The map lives no longer than the call, so read pages don't stay in our memory."""
        return np.array(self._map()[rows], dtype=np.float32)

    def _map(self) -> NDArray[np.floating]:
        if self.path.suffix == ".fvecs":
            words = np.memmap(self.path, dtype="<f4", mode="r")
            return words.reshape(-1, self.dim + 1)[:, 1:]
        loaded: NDArray[np.floating] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return loaded

    def _check_shape(self) -> int:
        match self.path.suffix:
            case ".fvecs":
                return self._check_fvecs()
            case ".npy":
                return self._check_npy()
        raise InputError(f"{_FIELD} {str(self.path)!r}: unknown kind of file; write the vectors as .npy or .fvecs")

    def _check_npy(self) -> int:
        try:
            array = self._map()
        except (ValueError, OSError, EOFError) as error:
            raise InputError(f"{_FIELD} {str(self.path)!r} is not a readable .npy file ({error})") from None
        if array.ndim != 2 or array.dtype.kind != "f" or not len(array):
            raise InputError(
                f"{_FIELD} {str(self.path)!r} holds {array.dtype} of shape {array.shape}: "
                "save a 2-D array of floats, one vector a row"
            )
        self._check_dim(array.shape[1])
        return len(array)

    def _check_fvecs(self) -> int:
        size = self.path.stat().st_size
        if size < 8:
            raise InputError(f"{_FIELD} {str(self.path)!r} holds no vector; give a file with at least one")
        self._check_dim(int(np.fromfile(self.path, dtype="<i4", count=1)[0]))
        rows, rest = divmod(size, 4 * (self.dim + 1))
        if rest:
            raise InputError(f"{_FIELD} {str(self.path)!r} ends inside a vector ({rest} bytes too many): copy it anew")
        heads = np.memmap(self.path, dtype="<i4", mode="r").reshape(rows, self.dim + 1)[:, 0]
        wrong = np.flatnonzero(heads != self.dim)
        if len(wrong):
            raise InputError(
                f"{_FIELD} {str(self.path)!r}: vector {wrong[0]} says dimension {heads[wrong[0]]}, "
                f"the first says {self.dim}; write vectors of one dimension"
            )
        return rows

    def _check_dim(self, found: int) -> None:
        if found != self.dim:
            raise InputError(
                f"{_FIELD} {str(self.path)!r} holds vectors of dimension {found}, but data.embedding_dim is "
                f"{self.dim}: write embedding_dim = {found} or give another file"
            )

    def _check_values(self) -> None:
        for start in range(0, self.rows, _CHECK_ROWS):
            vectors = self.read(slice(start, start + _CHECK_ROWS))
            lengths = np.linalg.norm(vectors, axis=1)
            wrong = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
            if len(wrong):
                what = "is all zeros" if lengths[wrong[0]] == 0 else "holds NaN, infinite or huge numbers"
                raise InputError(
                    f"{_FIELD} {str(self.path)!r}: vector {start + wrong[0]} {what}; remove such vectors from the file"
                )
