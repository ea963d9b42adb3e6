"""Pairs as a store with lognormal response times would give them, for tests of the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.pair import Couple, Pair
from perfgate.segment import Arm
from perfgate.units import NS_PER_MS

OPERATIONS = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)
SLICE_NS = 250 * NS_PER_MS


@dataclass(frozen=True)
class World:
    """What is true of the candidate: latency factors by operation (of all samples, or of the slowest 5 % alone); of the
    base: base_factor; shares of failed requests by arm, recall of searches by arm."""

    factor: Mapping[Operation, float] = field(default_factory=dict)
    base_factor: Mapping[Operation, float] = field(default_factory=dict)
    tail_factor: Mapping[Operation, float] = field(default_factory=dict)
    failing: Mapping[Arm, float] = field(default_factory=dict)
    recall: Mapping[Arm, float] = field(default_factory=dict)
    restart_sd: float = 0.02
    lag_ns: int = 30_000
    requests: int = 100
    silent: tuple[Operation, ...] = ()


def make_pairs(count: int, world: World | None = None, seed: int = 1, couples: int = 8) -> list[Pair]:
    """`count` pairs of that world."""
    random = np.random.default_rng(seed)
    return [_pair(number, world or World(), random, couples) for number in range(count)]


def _pair(number: int, world: World, random: np.random.Generator, couples: int) -> Pair:
    level = {arm: random.normal(0, world.restart_sd) for arm in Arm}
    made = []
    for couple in range(couples):
        arms = {arm: _slice(world, arm, level[arm], random, 1_000 * couple) for arm in Arm}
        first = Arm(int(random.integers(0, 2)))
        made.append(Couple(couple, first, arms[Arm.BASE], arms[Arm.CANDIDATE]))
    nothing = dict.fromkeys(Arm, 0)
    warmup = {arm: _slice(world, arm, 0.0, random, 0) for arm in Arm}
    return Pair(number, tuple(made), warmup, nothing, nothing, dict.fromkeys(Arm, ()))


def _slice(world: World, arm: Arm, level: float, random: np.random.Generator, first_index: int) -> Interval:
    parts = {
        operation: _operation(world, arm, operation, level, random, first_index + 300 * position)
        for position, operation in enumerate(OPERATIONS)
        if operation not in world.silent
    }
    requests = sum(part.total for part in parts.values())
    lag = Histogram.of(np.full(requests, world.lag_ns))
    return Interval(0, 0, SLICE_NS, requests, requests, SLICE_NS, parts, lag, Histogram.empty())


def _operation(
    world: World, arm: Arm, operation: Operation, level: float, random: np.random.Generator, first_index: int
) -> OperationInterval:
    failed = round(world.requests * world.failing.get(arm, 0.0))
    samples = random.lognormal(np.log(1e6) + level, 0.4, world.requests - failed)
    if arm is Arm.BASE:
        samples *= world.base_factor.get(operation, 1.0)
    else:
        samples *= world.factor.get(operation, 1.0)
        if operation in world.tail_factor and len(samples):
            slow = samples >= np.quantile(samples, 0.95)
            samples[slow] *= world.tail_factor[operation]
    response = Histogram.of(samples.astype(np.int64))
    outcomes = [0] * len(OUTCOMES)
    outcomes[Outcome.OK], outcomes[Outcome.BAD_STATUS] = len(samples), failed
    expected = 0 if operation is Operation.STORE else 200
    found = round(expected * world.recall.get(arm, 0.95))
    indices = tuple(range(first_index, first_index + failed))
    return OperationInterval(response, response, tuple(outcomes), expected // 10, found, expected, indices)
