"""Where vectors finally lie, so that what is stored during a run can never be among the true neighbours of a query.

Fix a random unit vector w. A raw vector is projected off w and normalised to v, and then

    node, query:  v' = (v + c·w) / sqrt(1 + c²)        pool:  v' = (v - c·w) / sqrt(1 + c²)

With s = cos(v1, v2), the cosine of a query to a node becomes (s + c²) / (1 + c²), which keeps the order among nodes,
and to a pool vector (s - c²) / (1 + c²). So every pool vector is farther from a query than its k-th true neighbour as
long as s_k - s_pool > -2c². For c² = 0.5 that holds whenever the k-th neighbour's own cosine s_k is above 0, which it
is in any set of some size; for a small set c² = 1.05 makes it hold always, since cosines differ by 2 at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfgate.dataset.streams import Purpose, stream

Vectors = NDArray[np.float32]

_STEP = np.float32(1e5)
_SMALL_SET = 1_000


def shared_axis(dim: int, seed: int) -> Vectors:
    """The unit vector w: float32 (dim,)."""
    axis = stream(seed, Purpose.AXIS).standard_normal(dim, dtype=np.float32)
    unit: Vectors = (axis / np.linalg.norm(axis)).astype(np.float32)
    return unit


def lift_squared(nodes_per_space: int) -> float:
    """c² for this many nodes that a query is compared with."""
    return 0.5 if nodes_per_space >= _SMALL_SET else 1.05


def across(vectors: Vectors, axis: Vectors) -> Vectors:
    """The unit-length part across w of each row: float32 (rows, dim).

    Row by row (einsum, no BLAS), so that a row's bits don't depend on its neighbours in the block.
    """
    rest: Vectors = vectors - np.einsum("ij,j->i", vectors, axis)[:, None] * axis
    length = np.sqrt(np.einsum("ij,ij->i", rest, rest))
    lost = length < 1e-6
    if lost.any():  # along w: no direction of its own, so take one that depends on nothing
        spare = np.zeros(len(axis), np.float32)
        spare[int(np.argmin(np.abs(axis)))] = 1.0
        rest[lost] = spare - axis * axis[int(np.argmin(np.abs(axis)))]
        length = np.sqrt(np.einsum("ij,ij->i", rest, rest))
    unit: Vectors = rest / length[:, None]
    return unit


def place(raw: Vectors, axis: Vectors, lift: float) -> Vectors:
    """Rows of length 1 with component ± along w, rounded to multiples of 1e-5. `lift` is c, negative for the pool."""
    placed = (across(raw, axis) + np.float32(lift) * axis) / np.float32((1 + lift * lift) ** 0.5)
    rounded = np.rint(placed * _STEP) / _STEP + np.float32(0)  # + 0 turns -0.0, longer in JSON, into 0.0
    return rounded.astype(np.float32, copy=False)
