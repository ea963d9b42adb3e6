"""Real vectors from a file, resampled and jittered to as many nodes as the scenario wants."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfgate.dataset.streams import BLOCK_ROWS, Purpose, stream
from perfgate.dataset.vector_file import VectorFile

_ALL_ROWS = 16_384
_SAMPLED_ROWS = 2_048
_TILE = 2_048
_CALIBRATION_ROWS = 128
_CALIBRATION_COPIES = 16
_PAIRS = 2

Vectors = NDArray[np.float32]


class FileDistribution:
    """Nodes are the file's vectors in random order; when they run out, copies of them with jitter follow.

    How hard a search is depends on how close the nearest neighbours are, so that is what the jitter keeps. A vector
    whose nearest neighbour has cosine s gets jitter of length sqrt(1/s² - 1): such a copy has cosine s to it. The
    jitter's direction is a random mix of differences of real vectors, so that the copies spread along the data's own
    directions instead of adding dimensions that the data don't have. Copies of one vector are also neighbours of each
    other, and more copies come closer by chance, so one common factor is fitted (bisection on a sample) such that the
    median cosine to the nearest neighbour is the file's. With no more nodes than vectors in the file nothing is
    jittered: the nodes are a random part of the file.

    Queries and the pool (vectors to be stored) are real vectors with the same jitter. With `std_dev` the jitter is
    normal noise of std_dev a coordinate on vectors of length 1.
    """

    def __init__(self, path: str, dim: int, seed: int, num_nodes: int, std_dev: float | None) -> None:
        self._file = VectorFile(path, dim)
        self._dim = dim
        self._seed = seed
        self._std_dev = std_dev
        self._order = stream(seed, Purpose.ROWS).permutation(self._file.rows)
        self._lengths = np.full(self._file.rows, std_dev or 0.0, np.float32)
        if std_dev is None and self._file.rows > 1:
            similarity = nearest_similarity(self._file, seed)
            self._lengths = np.sqrt(np.clip(similarity, 0.05, 0.99) ** -2 - 1).astype(np.float32)
            copies = -(-num_nodes // self._file.rows)
            if copies > 1:
                self._lengths *= np.float32(self._fit(similarity, copies))

    def raw(self, side: Purpose, block: int, rows: int) -> Vectors:
        generator = stream(self._seed, side, block=block)
        if side is Purpose.NODES:
            number = np.arange(block * BLOCK_ROWS, block * BLOCK_ROWS + rows)
            row, jittered = self._order[number % self._file.rows], number >= self._file.rows
        else:
            row, jittered = generator.integers(0, self._file.rows, BLOCK_ROWS)[:rows], np.ones(rows, np.bool_)
        vectors = self._unit(row)
        if jittered.any():
            vectors += self._jitter(generator, rows, self._lengths[row]) * jittered[:, None]
        return vectors

    def query_noise(self, block: int, rows: int) -> Vectors:
        """As long as the typical jitter, so that a query lies as far from its node as real neighbours do."""
        generator = stream(self._seed, Purpose.QUERY_JITTER, block=block)
        return self._jitter(generator, rows, np.full(rows, np.median(self._lengths), np.float32))

    def _unit(self, rows: NDArray[np.int64]) -> Vectors:
        return _normalised(self._file.read(rows))

    def _jitter(self, generator: np.random.Generator, rows: int, lengths: Vectors) -> Vectors:
        if self._std_dev is not None or self._file.rows < 3:
            return lengths[:, None] * generator.standard_normal((rows, self._dim), dtype=np.float32)
        mixed = np.zeros((rows, self._dim), np.float32)
        weights = generator.standard_normal((BLOCK_ROWS, _PAIRS), dtype=np.float32)[:rows]
        ends = generator.integers(0, self._file.rows, (BLOCK_ROWS, _PAIRS, 2))[:rows]
        for pair in range(_PAIRS):
            difference = self._unit(ends[:, pair, 0]) - self._unit(ends[:, pair, 1])
            mixed += weights[:, pair, None] * difference
        return lengths[:, None] * _normalised(mixed)

    def _fit(self, similarity: Vectors, copies: int) -> float:
        """The factor on the jitter that gives copies the file's median similarity to the nearest neighbour."""
        generator = stream(self._seed, Purpose.CALIBRATION)
        rows = generator.permutation(self._file.rows)[:_CALIBRATION_ROWS]
        repeated = np.tile(rows, min(copies, _CALIBRATION_COPIES))
        base, lengths = self._unit(repeated), self._lengths[repeated]
        noise = np.concatenate(
            [self._jitter(generator, len(part), part) for part in np.split(lengths, range(_TILE, len(lengths), _TILE))]
        )
        noise[: len(rows)] = 0
        own = np.where(noise.any(axis=1), -1.0, np.tile(similarity[rows], min(copies, _CALIBRATION_COPIES)))
        goal = float(np.median(similarity))
        factor, low, high = 1.0, 0.25, 4.0
        for _ in range(8):
            factor = (low * high) ** 0.5
            moved: Vectors = (base + np.float32(factor) * noise).astype(np.float32, copy=False)
            found = float(np.median(np.maximum(_nearest_within(_normalised(moved)), own)))
            low, high = (factor, high) if found > goal else (low, factor)
        return factor


def nearest_similarity(file: VectorFile, seed: int) -> Vectors:
    """Cosine of each row to its nearest other row: float32 (rows,).

    Up to 16,384 rows exactly; in a larger file for 2,048 random ones, and the others take their median.
    """
    rows = np.arange(file.rows)
    if file.rows > _ALL_ROWS:
        rows = np.sort(stream(seed, Purpose.SAMPLE).permutation(file.rows)[:_SAMPLED_ROWS])
    best = np.full(len(rows), -1.0, np.float32)
    for part in range(0, len(rows), _TILE):
        asked = rows[part : part + _TILE]
        left = _normalised(file.read(asked))
        for start in range(0, file.rows, _TILE):
            right = _normalised(file.read(slice(start, start + _TILE)))
            cosine = left @ right.T
            inside = np.flatnonzero((asked >= start) & (asked < start + _TILE))
            cosine[inside, asked[inside] - start] = -1.0
            best[part : part + _TILE] = np.maximum(best[part : part + _TILE], cosine.max(axis=1))
    result = np.full(file.rows, np.median(best), np.float32)
    result[rows] = best
    return result


def _nearest_within(vectors: Vectors) -> Vectors:
    cosine = vectors @ vectors.T
    np.fill_diagonal(cosine, -1.0)
    nearest: Vectors = cosine.max(axis=1)
    return nearest


def _normalised(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(length, np.float32(1e-12))
    return unit
