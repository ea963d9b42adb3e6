"""One operation's p99 with a heavy tail of its own, in both builds, over a quiet median: noise that no normal distribution
has, beside operations that have none of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.profile import PROFILES
from perfgate.simulate.rates import NAMES
from perfgate.simulate.scene import Batch, batches, decide_all, scene

SPREADS = (0.05, 0.15)
DEGREES = 2.0
"""Of Student's t: so heavy that there is no variance."""
P95, P99 = 1, 2


def rows(ask: Ask) -> list[Row]:
    of = scene(ask, "heavy-tail")
    found = []
    for spread in SPREADS:
        label = f"pairs' p99 differ by {spread:g} x t with 2 df"
        gates = _disturbed(batches(of, PROFILES["quiet"]), spread, of.random)
        found.append(decide_all(f"{label}: all three operations", ask.policy, gates))
        gates = _disturbed(batches(of, PROFILES["quiet"]), spread, of.random)
        beside = ((tables[:, :, :2], medians) for tables, medians in gates)
        found.append(decide_all(f"{label}: the two beside it", ask.policy, beside, NAMES[:2], watch=0))
    return found


def _disturbed(found: Iterator[Batch], spread: float, random: np.random.Generator) -> Iterator[Batch]:
    """The last operation's p99 gets all of it, its p95 a third, its p50 nothing."""
    for tables, medians in found:
        heavy = spread * random.standard_t(DEGREES, tables.shape[:2])
        tables[:, :, -1, P99] += heavy
        tables[:, :, -1, P95] += heavy / 3
        yield tables, medians


CASE = Case(
    "heavy-tail",
    "the same build; one operation's p99 varies without bound from pair to pair, its median is quiet",
    "no false alarm on that operation and none on those beside it; what is too uncertain stays INCONCLUSIVE",
    rows,
)
