"""The exact nearest nodes of each query, by blocked numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

TRUTH_K = 10
_SPARE = 22  # more candidates than asked for, so that float32 rounding can't lose a true one
_QUERY_ROWS = 2_048

Vectors = NDArray[np.float32]


def exact_nearest(
    queries: Vectors,
    blocks: Callable[[], Iterable[tuple[int, Vectors]]],
    num_nodes: int,
    spaces: int = 1,
    k: int = TRUTH_K,
    tick: Callable[[float], None] = lambda fraction: None,
) -> NDArray[np.int32]:
    """The k nodes of highest cosine to each query, best first, ties by the lower number: int32 (queries, k).

    blocks() yields (first node, float32 (rows, dim)) anew each time. A query is compared with the nodes of its own
    memory space alone (number modulo spaces). Candidates are found with float32 products and put in order with
    float64. -1 fills up where a space holds fewer than k nodes.
    """
    truth = np.full((len(queries), k), -1, np.int32)
    parts = range(0, len(queries), _QUERY_ROWS)
    for part in parts:
        asked = queries[part : part + _QUERY_ROWS]
        space = (part + np.arange(len(asked))) % spaces
        best = _Best(asked, k)
        for start, nodes in blocks():
            best.offer(start, nodes, space, spaces)
            tick((part + len(asked) * (start + len(nodes)) / num_nodes) / len(queries))
        truth[part : part + len(asked)] = best.numbers()
    return truth


class _Best:
    """The candidates of some queries so far, with their cosines in float64."""

    def __init__(self, queries: Vectors, k: int) -> None:
        self._k = k
        self._queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        self._cosine = np.full((len(queries), k), -np.inf)
        self._number = np.full((len(queries), k), -1, np.int64)

    def offer(self, start: int, nodes: Vectors, space: NDArray[np.int64], spaces: int) -> None:
        cosine = self._queries @ (nodes / np.linalg.norm(nodes, axis=1, keepdims=True)).T
        if spaces > 1:
            cosine[space[:, None] != (start + np.arange(len(nodes)))[None, :] % spaces] = -np.inf
        width = min(self._k + _SPARE, len(nodes))
        column = np.argpartition(cosine, len(nodes) - width, axis=1)[:, -width:]
        self._keep(column + start, self._exact(cosine, column, nodes))

    def _exact(self, rough: Vectors, column: NDArray[np.int64], nodes: Vectors) -> NDArray[np.float64]:
        """float64 cosines of the candidates that could still enter; -inf for the rest."""
        value = np.take_along_axis(rough, column, axis=1).astype(np.float64)
        hopeless = value < self._cosine[:, -1:] - 1e-5
        value[hopeless] = -np.inf
        row, place = np.nonzero(np.isfinite(value))
        for some in np.array_split(np.arange(len(row)), max(1, len(row) // 8_192)):
            left = self._queries[row[some]].astype(np.float64)
            right = nodes[column[row[some], place[some]]].astype(np.float64)
            product = np.einsum("ij,ij->i", left, right)
            length = np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right)
            value[row[some], place[some]] = product / np.sqrt(length)
        return value

    def _keep(self, number: NDArray[np.int64], cosine: NDArray[np.float64]) -> None:
        numbers = np.concatenate([self._number, np.where(np.isfinite(cosine), number, -1)], axis=1)
        cosines = np.concatenate([self._cosine, cosine], axis=1)
        order = np.lexsort((numbers, -cosines), axis=1)[:, : self._k]
        self._number = np.take_along_axis(numbers, order, axis=1)
        self._cosine = np.take_along_axis(cosines, order, axis=1)

    def numbers(self) -> NDArray[np.int64]:
        return self._number
