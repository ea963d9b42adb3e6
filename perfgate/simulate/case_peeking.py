"""Looking after every pair: wrong with a test made for one look, right with an error that is spent over looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from perfgate.gate.pair_effect import STATISTICS
from perfgate.gate.policy import Policy
from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.profile import PROFILES
from perfgate.simulate.scene import Batch, Floats, batches, decide_all, scene
from perfgate.stats.student import p_above_zero
from perfgate.stats.trimmed import trimmed_estimate

USUAL = 0.05
FIRST = 5


def rows(ask: Ask) -> list[Row]:
    """The gate with its own looks and asked after every pair; then the fixed-sample test on one p99, once at the end, and
    after every pair until it is significant: never part of the gate, and here to be seen."""
    of = scene(ask, "peeking")
    policy = ask.policy
    each = dataclasses.replace(policy, looks=tuple(range(policy.looks[0], policy.looks[-1] + 1)))
    last = policy.looks[-1]
    share = policy.alpha_block * policy.primary_share / 3
    return [
        decide_all("the gate, at its looks", policy, batches(of, PROFILES["typical"])),
        decide_all("the gate, asked after every pair", each, batches(of, PROFILES["typical"])),
        *(
            _fixed(
                f"a t-test at {level:.2%} on one p99, {when}", batches(of, PROFILES["typical"]), policy, level, looks
            )
            for level in (USUAL, share)
            for when, looks in (("once", [last]), (f"after every pair from {FIRST} on", list(range(FIRST, last + 1))))
        ),
    ]


def _fixed(label: str, found: Iterator[Batch], policy: Policy, level: float, looks: list[int]) -> Row:
    stopped = [
        _first(table[:, 0, STATISTICS.index("p99")], policy.trim, level, looks)
        for tables, _ in found
        for table in tables
    ]
    block = sum(at is not None for at in stopped)
    pairs = float(np.mean([looks[-1] if at is None else at for at in stopped]))
    return Row(label, len(stopped), block, 0, len(stopped) - block, pairs)


def _first(values: Floats, trim: float, level: float, looks: list[int]) -> int | None:
    """The first look at which the test is significant."""
    return next((look for look in looks if p_above_zero(trimmed_estimate(values[:look], trim)) < level), None)


CASE = Case(
    "peeking",
    "the same build, looked at after every pair, on a typical host",
    "the gate's error is shared by its looks and stays; a test made for one look finds several times its level",
    rows,
)
