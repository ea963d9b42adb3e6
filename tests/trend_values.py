"""Simulated gates of commits, written into a real database as gates write themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from builders import comparison, effect, record
from history_values import add

from perfgate.gate.comparison import Comparison
from perfgate.gate.verdict import Word
from perfgate.history.entry import Entry
from perfgate.history.estimates import GateEstimate
from perfgate.history.location import Location
from perfgate.operation import Operation
from perfgate.run import RunRecord
from perfgate.segment import Arm

_GATE = record(pair_count=1)
_COMPARISON = comparison(Word.INCONCLUSIVE, pairs=12)


def record_gates(location: Location, estimates: Sequence[GateEstimate]) -> None:
    """estimates: of `perfgate.trend.simulate.gates`."""
    add(location, *(Entry.of(*_gate(number, one), Path("/gone")) for number, one in enumerate(estimates)))


def _gate(number: int, one: GateEstimate) -> tuple[RunRecord, Comparison]:
    names = {Arm.BASE: one.base[:12], Arm.CANDIDATE: one.candidate[:12]}
    facts = {arm: {"commit": commit} for arm, commit in (("base", one.base), ("candidate", one.candidate))}
    gate = dataclasses.replace(
        _GATE, builds=names, target=one.target, name=one.scenario, started_wall_ns=one.started_wall_ns, seed=number,
        environment={**_GATE.environment, "builds": facts}, pairs=(), timeline=(),
    )  # fmt: skip
    found = effect("p99", Operation.RECALL, se=one.se, estimate=one.estimate, df=one.df, primary=one.primary)
    return gate, dataclasses.replace(_COMPARISON, effects=(found,))
