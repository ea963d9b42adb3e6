"""From gates between pairs of commits to one level for each commit, against an anchor.

Each gate says level(candidate) - level(base) = estimate, with a variance. Weighted least squares over all of them weighs a
direct comparison with the anchor and every chain of gates to it by their inverse variances, and knows which errors two
levels share: those of two commits behind the same long chain hardly differ, however uncertain both are. It is the
fixed-effect model of network meta-analysis (Lumley 2002, Statistics in Medicine 21; Ruecker 2012, Research Synthesis
Methods 3); with a single chain it is the sum of the estimates with the sum of their variances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Edge:
    """estimate: log ratio of candidate to base; variance: of the estimate."""

    base: str
    candidate: str
    estimate: float
    variance: float


@dataclass(frozen=True, slots=True)
class Levels:
    """names: the commits that a chain of gates leads to from the anchor, without it. values: float64 (n,), log ratios to
    the anchor; covariance: float64 (n, n). spread: by how much more than their variances allow the gates contradict each
    other, as a factor of variance, at least 1; it is in the covariance already."""

    anchor: str
    names: tuple[str, ...]
    values: Floats
    covariance: Floats
    spread: float
    unreachable: tuple[str, ...]


def t_variance(se: float, df: float) -> float:
    """The variance of an error that is se times Student's t: se² df / (df - 2); for fewer than 3 degrees of freedom, where
    there is none, that of 3."""
    df = max(df, 3.0)
    return se**2 * df / (df - 2)


def solve(edges: Sequence[Edge], anchor: str) -> Levels:
    """Levels of all commits in `edges` that hang together with the anchor, in the order of their first appearance."""
    every = list(dict.fromkeys(name for edge in edges for name in (edge.base, edge.candidate)))
    reached = _reached(edges, anchor)
    names = [name for name in every if name in reached and name != anchor]
    used = [edge for edge in edges if edge.base in reached]
    place = {name: number for number, name in enumerate(names)}
    design = np.zeros((len(used), len(names)))
    for row, edge in enumerate(used):
        for name, sign in ((edge.candidate, 1.0), (edge.base, -1.0)):
            if name != anchor:
                design[row, place[name]] += sign
    weights = np.array([1 / edge.variance for edge in used])
    estimates = np.array([edge.estimate for edge in used])
    covariance = np.linalg.inv((design.T * weights) @ design) if names else np.zeros((0, 0))
    values = covariance @ (design.T @ (weights * estimates))
    rest, free = estimates - design @ values, len(used) - len(names)
    spread = max(1.0, float((weights * rest**2).sum()) / free) if free > 0 else 1.0
    unreachable = tuple(name for name in every if name not in reached)
    return Levels(anchor, tuple(names), values, covariance * spread, spread, unreachable)


def _reached(edges: Sequence[Edge], anchor: str) -> set[str]:
    neighbours: dict[str, set[str]] = {}
    for edge in edges:
        neighbours.setdefault(edge.base, set()).add(edge.candidate)
        neighbours.setdefault(edge.candidate, set()).add(edge.base)
    found, todo = {anchor}, [anchor]
    while todo:
        for name in neighbours.get(todo.pop(), ()):
            if name not in found:
                found.add(name)
                todo.append(name)
    return found


def ordered(
    levels: Levels, at_ns: Mapping[str, int], keep: set[str] | None = None
) -> tuple[list[str], Floats, Floats, Floats]:
    """(names, times in ns, values, covariance) by time. at_ns: of each commit; keep: only these."""
    chosen = [name for name in levels.names if keep is None or name in keep]
    chosen.sort(key=lambda name: at_ns[name])
    places = [levels.names.index(name) for name in chosen]
    times = np.array([at_ns[name] for name in chosen], dtype=np.float64)
    return chosen, times, levels.values[places], levels.covariance[np.ix_(places, places)]
