"""A plan's rate over time by operation, in as many columns as a picture has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.arrivals.process import BLOCK_NS
from perfgate.operation import OPERATIONS, Operation
from perfgate.plan import LANES, Plan
from perfgate.units import NS_PER_S


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """edges_ns: int64 (columns + 1,), from 0 to the duration. rates: float64 (columns, operations), requests a second
    of the operations that the scenario has."""

    edges_ns: NDArray[np.int64]
    operations: tuple[Operation, ...]
    rates: NDArray[np.float64]

    @property
    def total(self) -> NDArray[np.float64]:
        """float64 (columns,), requests a second of all operations together."""
        return np.asarray(self.rates.sum(axis=1))

    @property
    def duration_ns(self) -> int:
        return int(self.edges_ns[-1])

    def mean(self, place: int) -> float:
        """Of one operation over the whole duration, requests a second."""
        return float(self.rates[:, place] @ np.diff(self.edges_ns) / self.duration_ns)


def make_timeline(plan: Plan, counts: NDArray[np.int64], columns: int) -> Timeline:
    """counts: Plan.counts(). A short plan is looked at again, request by request, so that columns may be shorter than a
    second; a long one has columns of whole seconds, as many as asked for or fewer."""
    if len(counts) < 2 * columns:
        edges = np.rint(np.linspace(0, plan.duration_ns, columns + 1)).astype(np.int64)
        sums = _of_requests(plan, edges)
    else:
        firsts = np.arange(columns) * len(counts) // columns
        edges = np.append(firsts * BLOCK_NS, plan.duration_ns)
        sums = np.add.reduceat(counts, firsts, axis=0)
    operations = tuple(plan.scenario.weights)
    places = [OPERATIONS.index(operation) for operation in operations]
    return Timeline(edges, operations, sums[:, places] / np.diff(edges)[:, None] * NS_PER_S)


def _of_requests(plan: Plan, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    sums = np.zeros((len(edges) - 1) * len(OPERATIONS), dtype=np.int64)
    for start in range(0, plan.duration_ns, BLOCK_NS):
        window = plan.window(range(LANES), start, min(start + BLOCK_NS, plan.duration_ns))
        column = np.searchsorted(edges, window.time_ns, side="right") - 1
        sums += np.bincount(column * len(OPERATIONS) + window.operation, minlength=len(sums))
    return sums.reshape(-1, len(OPERATIONS))
