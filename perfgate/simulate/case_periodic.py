"""Interference with a period, in step with slices, couples or pairs: the worst that a fixed order can meet."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from perfgate.gate.policy import Policy
from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.levels import Floats, Wave, draw_levels, pair_cycle_s, slice_cycle_s
from perfgate.simulate.long_slices import PAIRS, LongPool, long_tables, make_long_pool
from perfgate.simulate.profile import PROFILES
from perfgate.simulate.rates import make_tables
from perfgate.simulate.scene import CHUNK, SAME, Batch, Scene, decide_all, scene
from perfgate.simulate.seconds import Noise

HIGH = 0.3
"""Added to the log p99 in the bad half of each period: a neighbour that makes a third more of every latency."""

PIECES = 4
"""Of a short slice, whose level is the mean of theirs: a wave may be quicker than a slice."""

MOST_WHOLE = 100
"""Gates in the rows of half a pair each, which take requests one by one: a tenth of a second a gate."""


def rows(ask: Ask) -> list[Row]:
    """The gate's slices in random order, and in contrast whole halves of a pair, A B A B, in random and in fixed order."""
    of = scene(ask, "periodic")
    whole = dataclasses.replace(ask.policy, slice_ns=ask.policy.measured_ns, couple_trim=0.0)
    long_pool = make_long_pool(whole, ask.rate, [1.0], max(PAIRS, 3 * ask.policy.looks[-1]), of.random)
    few = dataclasses.replace(ask, runs=min(ask.runs, MOST_WHOLE))
    slice_s, pair_s = slice_cycle_s(ask.policy), pair_cycle_s(ask.policy, of.pool.couples)
    whole_s = pair_cycle_s(whole, 1)
    short = (("a slice", slice_s), ("a couple", 2 * slice_s), ("a pair", pair_s), ("two pairs", 2 * pair_s))
    found = [
        decide_all(f"slices in random order, period of {name}", ask.policy, _short(of, _square(period)))
        for name, period in short
    ]
    for order, fixed in (("random", False), ("fixed", True)):
        for name, period in (("a pair", whole_s), ("two pairs", 2 * whole_s)):
            gates = _whole(few, whole, long_pool, _square(period), fixed, of.random)
            found.append(decide_all(f"half a pair each in {order} order, period of {name}", whole, gates))
    return found


def _square(period_s: float) -> Wave:
    """High in the first half of each period, by the clock."""

    def wave(times: Floats) -> Floats:
        return np.where(times % period_s < period_s / 2, HIGH, 0.0)

    return wave


def _short(of: Scene, wave: Wave) -> Iterator[Batch]:
    policy, profile = of.ask.policy, PROFILES["quiet"]
    for start in range(0, of.ask.runs, CHUNK):
        runs = min(CHUNK, of.ask.runs - start)
        levels = draw_levels(profile, policy, of.pool.couples, PIECES, runs, policy.looks[-1], of.random, wave)
        noise = Noise(levels.level.mean(axis=3), levels.burst.mean(axis=3))
        yield make_tables(noise, profile, SAME, policy, of.pool, 1.0, of.random)


def _whole(
    ask: Ask, policy: Policy, pool: LongPool, wave: Wave, fixed: bool, random: np.random.Generator
) -> Iterator[Batch]:
    profile = PROFILES["quiet"]
    for start in range(0, ask.runs, CHUNK):
        runs = min(CHUNK, ask.runs - start)
        levels = draw_levels(profile, policy, 1, pool.pieces, runs, policy.looks[-1], random, wave, fixed)
        yield long_tables(levels, profile, SAME, policy, pool, 1.0, random)


CASE = Case(
    "periodic",
    "the same build under interference with a period, on a quiet host",
    "no bias and no BLOCK in random order, whatever the period (two pairs: the host has two states, so INCONCLUSIVE); halves "
    "of a pair in the fixed order A B A B are biased by a period of one pair, and pass",
    rows,
)
