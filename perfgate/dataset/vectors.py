"""Final vectors, a block at a time: a distribution's raw vectors, put in their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfgate.dataset.distributions import make_distribution
from perfgate.dataset.geometry import across, lift_squared, place, shared_axis
from perfgate.dataset.matrix_file import read_rows
from perfgate.dataset.streams import BLOCK_ROWS, Purpose, stream
from perfgate.scenario.model import DataSpec

Vectors = NDArray[np.float32]


class VectorMaker:
    """nodes(), pool() and queries() give rows [start, end) of one block; a pure function of data and seed."""

    def __init__(self, data: DataSpec, seed: int) -> None:
        self._data = data
        self._seed = seed
        self._axis = shared_axis(data.embedding_dim, seed)
        self._lift = lift_squared(data.num_nodes // data.memory_spaces) ** 0.5
        self._distribution = make_distribution(data, seed)

    def nodes(self, start: int, end: int) -> Vectors:
        return place(self._raw(Purpose.NODES, start, end), self._axis, self._lift)

    def pool(self, start: int, end: int) -> Vectors:
        return place(self._raw(Purpose.POOL, start, end), self._axis, -self._lift)

    def queries(self, start: int, end: int, nodes_path: Path) -> Vectors:
        """Jittered nodes, each of the query's own memory space."""
        near = across(read_rows(nodes_path, self._query_bases(start, end)), self._axis)
        noise = self._distribution.query_noise(start // BLOCK_ROWS, end - start)
        return place(near + noise, self._axis, self._lift)

    def _query_bases(self, start: int, end: int) -> NDArray[np.int64]:
        spaces = self._data.memory_spaces
        space = np.arange(start, end) % spaces
        of_space = (self._data.num_nodes - 1 - space) // spaces + 1
        draw = stream(self._seed, Purpose.QUERY_BASE, block=start // BLOCK_ROWS).random(BLOCK_ROWS)[: end - start]
        return np.minimum((draw * of_space).astype(np.int64), of_space - 1) * spaces + space

    def _raw(self, side: Purpose, start: int, end: int) -> Vectors:
        return self._distribution.raw(side, start // BLOCK_ROWS, end - start)
