"""Recall that falls while latency falls: a search that looks at less is quick."""

from __future__ import annotations

from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.pairs import Build, run_gates

GATES = 40
BASE = Build()


def rows(ask: Ask) -> list[Row]:
    runs = min(ask.runs, GATES)
    return [
        run_gates("the same build", ask, BASE, BASE, runs),
        run_gates("20 % faster, recall 0.95 to 0.94", ask, BASE, Build(0.8 * BASE.p99_ns, recall=0.94), runs),
        run_gates("20 % faster, recall 0.95 to 0.90", ask, BASE, Build(0.8 * BASE.p99_ns, recall=0.90), runs),
    ]


CASE = Case(
    "recall",
    "a candidate that is 20 % faster and finds fewer of the true neighbours",
    "BLOCK on recall, however much faster it is",
    rows,
)
