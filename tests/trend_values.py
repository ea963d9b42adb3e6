"""Synthetic histories: commits whose truth is known, gated in the patterns that there are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
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
from perfgate.units import NS_PER_S

METRIC = "recall p99"
BEGAN_NS = 1_790_000_000 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
_GATE = record(pair_count=1)
_COMPARISON = comparison(Word.INCONCLUSIVE, pairs=12)


def sha(number: int) -> str:
    return f"{number:040x}"


def flat(days: int) -> list[float]:
    return [0.0] * days


def step(days: int, at: int, size: float) -> list[float]:
    return [math.log1p(size) * (day >= at) for day in range(days)]


def creep(days: int, a_week: float) -> list[float]:
    return [math.log1p(a_week) * day / 7 for day in range(days)]


def gates(
    truth: Sequence[float], seed: int = 1, se: float = 0.012, pattern: str = "chain", df: int = 17
) -> list[GateEstimate]:
    """truth: of the commit of each day, as log ratio to the one of day 0. pattern: chain, each against the day before;
    star, each against day 0; both; weekly, each against the last Monday, and each Monday against the one before."""
    rng, found = np.random.default_rng(seed), []
    for day in range(1, len(truth)):
        bases = {
            "chain": [day - 1], "star": [0], "both": [day - 1, 0], "weekly": [(day - 1) // 7 * 7],
        }[pattern]  # fmt: skip
        for base in bases:
            own = se * math.sqrt(rng.chisquare(df) / df)
            estimate = truth[day] - truth[base] + se * rng.standard_normal()
            found.append(
                GateEstimate(
                    f"run{day:04d}", BEGAN_NS + day * DAY_NS, "CI Quick Check", "mystore", sha(base + 1), sha(day + 1),
                    METRIC, "p99", True, estimate, own, df,
                )
            )  # fmt: skip
    return found


def record_gates(location: Location, estimates: Sequence[GateEstimate]) -> None:
    """Into a real database, as gates write themselves."""
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
