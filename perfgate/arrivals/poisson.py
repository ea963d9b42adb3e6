"""Poisson spacing: independent users. Given Λ, a block's count is Poisson and its times are uniform in Λ."""

from __future__ import annotations

import numpy as np

from perfgate.arrivals.process import BLOCK_NS, Floats, Integers, Intensity
from perfgate.arrivals.streams import Purpose, part_position, stream

COUNT_BLOCKS = 4096
"""Counts are drawn for so many blocks at once; part of the plan's definition."""
_CHUNKS_KEPT = 4


class PoissonArrivals:
    """A pure function of intensity, seed and part: which of several processes of one plan this is.

    Finding a block's first number needs the counts of all blocks before it: totals of chunks are kept (8 bytes a
    chunk, so 170 kB a year), the counts themselves only of the chunks used last.
    """

    def __init__(self, intensity: Intensity, seed: int, part: int = 0) -> None:
        self._intensity = intensity
        self._seed = seed
        self._part = part
        self._first: list[int] = [0]  # number of the first arrival of each chunk known so far
        self._chunks: dict[int, Integers] = {}

    def expected(self, time_ns: Floats) -> Floats:
        return self._intensity.expected(time_ns)

    def before(self, blocks: Integers) -> Integers:
        chunks, places = np.divmod(np.asarray(blocks, dtype=np.int64), COUNT_BLOCKS)
        result = np.empty(len(chunks), dtype=np.int64)
        for chunk in np.unique(chunks):
            mine = chunks == chunk
            result[mine] = self._chunk_start(int(chunk)) + self._cumulative(int(chunk))[places[mine]]
        return result

    def times(self, block: int) -> Integers:
        first, end = self.before(np.array([block, block + 1]))
        edges = np.array([block, block + 1], dtype=np.float64) * BLOCK_NS
        low, high = self._intensity.expected(edges)
        places = stream(self._seed, Purpose.TIMES, part_position(self._part, block)).random(int(end - first))
        places.sort()
        due = self._intensity.when(low + places * (high - low)).astype(np.int64)
        return np.clip(due, block * BLOCK_NS, (block + 1) * BLOCK_NS - 1)

    def _chunk_start(self, chunk: int) -> int:
        while len(self._first) <= chunk:
            last = len(self._first) - 1
            self._first.append(self._first[last] + int(self._cumulative(last)[-1]))
        return self._first[chunk]

    def _cumulative(self, chunk: int) -> Integers:
        """Arrivals of the chunk before each of its blocks, and in all: int64 (COUNT_BLOCKS + 1)."""
        if chunk not in self._chunks:
            self._chunks[chunk] = self._draw(chunk)
            while len(self._chunks) > _CHUNKS_KEPT:
                del self._chunks[next(iter(self._chunks))]
        return self._chunks[chunk]

    def _draw(self, chunk: int) -> Integers:
        edges = (chunk * COUNT_BLOCKS + np.arange(COUNT_BLOCKS + 1, dtype=np.float64)) * BLOCK_NS
        means = np.maximum(np.diff(self._intensity.expected(edges)), 0.0)
        counts = stream(self._seed, Purpose.COUNTS, part_position(self._part, chunk)).poisson(means)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
