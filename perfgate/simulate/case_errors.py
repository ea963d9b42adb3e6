"""Errors that rise while latency falls: a build that gives up early is quick."""

from __future__ import annotations

from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.pairs import Build, run_gates

GATES = 40
BASE = Build()
OUT = Build(outages=0.005)


def rows(ask: Ask) -> list[Row]:
    runs = min(ask.runs, GATES)
    return [
        run_gates("the same build", ask, BASE, BASE, runs),
        run_gates("the same build, one second in 200 without an answer", ask, OUT, OUT, runs),
        run_gates("20 % faster", ask, BASE, Build(p99_ns=0.8 * BASE.p99_ns), runs),
        run_gates("20 % faster, 0.3 % of requests fail", ask, BASE, Build(0.8 * BASE.p99_ns, failing=0.003), runs),
        run_gates("20 % faster, 1 % of requests fail", ask, BASE, Build(0.8 * BASE.p99_ns, failing=0.01), runs),
    ]


CASE = Case(
    "errors",
    "a candidate that is 20 % faster and fails more (the base fails 0.05 % of requests)",
    "BLOCK on errors, however much faster it is; failures of single moments in both builds alike block nothing",
    rows,
)
