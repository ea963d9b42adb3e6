"""Where raw vectors come from: one small class a distribution. They have any length; geometry.place() does the rest."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from perfgate.dataset.file_source import FileDistribution
from perfgate.dataset.streams import BLOCK_ROWS, Purpose, stream
from perfgate.errors import InputError
from perfgate.scenario.model import DataSpec

Vectors = NDArray[np.float32]

QUERY_JITTER = 0.5
"""A query is its node plus noise of this length: cosine about 0.89 to it, before the shared component is added."""


class Distribution(Protocol):
    """A pure function of the data specification and the seed, a block at a time."""

    def raw(self, side: Purpose, block: int, rows: int) -> Vectors:
        """The first `rows` rows of a block of NODES or of the POOL: float32 (rows, dim)."""
        ...

    def query_noise(self, block: int, rows: int) -> Vectors:
        """What is added to unit-length nodes to make queries of them: float32 (rows, dim)."""
        ...


class Uniform:
    """Independent directions, uniform on the sphere."""

    def __init__(self, dim: int, seed: int) -> None:
        self._dim = dim
        self._seed = seed

    def raw(self, side: Purpose, block: int, rows: int) -> Vectors:
        return _normal(self._seed, side, block, rows, self._dim)

    def query_noise(self, block: int, rows: int) -> Vectors:
        return isotropic_noise(self._seed, block, rows, self._dim, QUERY_JITTER)


class Clustered:
    """A cluster's centre, uniform on the sphere, plus normal noise of `std_dev` a coordinate."""

    def __init__(self, dim: int, seed: int, num_clusters: int, std_dev: float) -> None:
        centres = stream(seed, Purpose.CENTRES).standard_normal((num_clusters, dim), dtype=np.float32)
        self._centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)
        self._std_dev = np.float32(std_dev)
        self._dim = dim
        self._seed = seed

    def raw(self, side: Purpose, block: int, rows: int) -> Vectors:
        draws = stream(self._seed, Purpose.CLUSTER, side=side, block=block)
        cluster = draws.integers(0, len(self._centres), BLOCK_ROWS)[:rows]
        noise = self._std_dev * _normal(self._seed, side, block, rows, self._dim)
        vectors: Vectors = self._centres[cluster] + noise
        return vectors

    def query_noise(self, block: int, rows: int) -> Vectors:
        return isotropic_noise(self._seed, block, rows, self._dim, QUERY_JITTER)


class HotSpot:
    """`share` of the vectors lie around one centre with normal noise of `std_dev` a coordinate, the rest anywhere."""

    def __init__(self, dim: int, seed: int, share: float, std_dev: float) -> None:
        centre = stream(seed, Purpose.CENTRES).standard_normal(dim, dtype=np.float32)
        self._centre = centre / np.linalg.norm(centre)
        self._share = share
        self._std_dev = np.float32(std_dev)
        self._dim = dim
        self._seed = seed

    def raw(self, side: Purpose, block: int, rows: int) -> Vectors:
        draws = stream(self._seed, Purpose.CLUSTER, side=side, block=block).random(BLOCK_ROWS)[:rows]
        noise = _normal(self._seed, side, block, rows, self._dim)
        hot = (draws < self._share)[:, None]
        return np.where(hot, self._centre + self._std_dev * noise, noise)

    def query_noise(self, block: int, rows: int) -> Vectors:
        return isotropic_noise(self._seed, block, rows, self._dim, QUERY_JITTER)


def make_distribution(data: DataSpec, seed: int) -> Distribution:
    """The distribution of `[data] embedding_distribution`.

    Without std_dev, a cluster's noise is about as long as its centre (1 / sqrt(dim) a coordinate: cosine 0.5 inside a
    cluster), that of a hot spot half as long (cosine 0.8): hard enough to be a search, spread enough that no store
    takes two memories for duplicates.
    """
    spec, dim = data.embedding, data.embedding_dim
    scale = dim**-0.5
    match spec.kind:
        case "uniform":
            return Uniform(dim, seed)
        case "clustered":
            return Clustered(dim, seed, spec.num_clusters, scale if spec.std_dev is None else spec.std_dev)
        case "hot_spot":
            return HotSpot(dim, seed, spec.share, 0.5 * scale if spec.std_dev is None else spec.std_dev)
        case "file" if spec.path is not None:
            return FileDistribution(spec.path, dim, seed, data.num_nodes, spec.std_dev)
        case "file":
            raise InputError("data.embedding_distribution.path is missing: name a .npy or .fvecs file")
    raise InputError(
        f"data.embedding_distribution {spec.kind!r} is unknown: write uniform, clustered, hot_spot or file"
    )


def isotropic_noise(seed: int, block: int, rows: int, dim: int, length: float) -> Vectors:
    """Normal noise of about this length: float32 (rows, dim)."""
    return np.float32(length * dim**-0.5) * _normal(seed, Purpose.QUERY_JITTER, block, rows, dim)


def _normal(seed: int, purpose: Purpose, block: int, rows: int, dim: int) -> Vectors:
    return stream(seed, purpose, block=block).standard_normal((rows, dim), dtype=np.float32)
