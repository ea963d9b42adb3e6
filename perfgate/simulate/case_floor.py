"""A store so fast that 5 % of its p99 is 10 µs: what is certain need not matter."""

from __future__ import annotations

import dataclasses

from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.pairs import Build, run_gates
from perfgate.units import NS_PER_US

GATES = 40
BASE = Build(p99_ns=200.0 * NS_PER_US)
FLOOR_NS = 50 * NS_PER_US
"""floor_ms = 0.05."""


def rows(ask: Ask) -> list[Row]:
    runs = min(ask.runs, GATES)
    with_floor = dataclasses.replace(ask, policy=dataclasses.replace(ask.policy, floor_ns=FLOOR_NS))
    found = []
    for change in (0.0, 0.10, 0.50):
        candidate = Build(p99_ns=(1 + change) * BASE.p99_ns)
        label = f"+{1000 * change * BASE.p99_ns / NS_PER_US / 1000:g} µs" if change else "the same build"
        found.append(run_gates(f"{label}, no floor", ask, BASE, candidate, runs))
        found.append(run_gates(f"{label}, floor_ms = {FLOOR_NS / 1e6:g}", with_floor, BASE, candidate, runs))
    return found


CASE = Case(
    "floor",
    "a store with a p99 of 200 µs: the margin of 5 % is 10 µs",
    "without a floor +20 µs is BLOCK; with floor_ms = 0.05 it is not, and +100 µs still is",
    rows,
)
