"""Pairs of made-up builds for the gate: what one build does to latencies, failures and recall is stated, the rest is
seeded noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from perfgate.histogram import Histogram
from perfgate.interval import FAILED_KEYS_KEPT, Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.pair import Couple, Pair
from perfgate.segment import Arm
from perfgate.units import NS_PER_MS, NS_PER_S

STORE, RECALL, SEARCH = Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH
THREE = (STORE, RECALL, SEARCH)
MEDIAN_NS = {STORE: 400_000, RECALL: 520_000, SEARCH: 1_500_000, Operation.PATTERN_COMPLETION: 900_000}
SLICE_NS = 250 * NS_PER_MS
EMPTY = Histogram.empty()


@dataclass(frozen=True)
class Build:
    """slower: factor on all latencies of an operation; tail: factor on its slowest 3 %. failing: share of an
    operation's requests. found: of 400 true neighbours. level: the log-level of each process, by pair number."""

    slower: Mapping[Operation, float] = field(default_factory=dict)
    tail: Mapping[Operation, float] = field(default_factory=dict)
    failing: Mapping[Operation, float] = field(default_factory=dict)
    found: int = 392
    outcome: Outcome = Outcome.BAD_STATUS
    restart_sd: float = 0.01
    levels: tuple[float, ...] = ()
    sent: float = 1.0
    beyond: int = 0
    """How many latencies a slice and operation lie above the histogram's range."""


SAME = Build()


def pairs(
    count: int, candidate: Build = SAME, base: Build = SAME, seed: int = 1, couples: int = 4, requests: int = 110,
    operations: tuple[Operation, ...] = THREE,
) -> list[Pair]:  # fmt: skip
    """`count` pairs; both arms get the same draws, and each process a level of its own."""
    random = np.random.default_rng(seed)
    builds = {Arm.BASE: base, Arm.CANDIDATE: candidate}
    return [_pair(number, builds, random, couples, requests, operations) for number in range(count)]


def _pair(
    number: int, builds: Mapping[Arm, Build], random: np.random.Generator, couples: int, requests: int,
    operations: tuple[Operation, ...],
) -> Pair:  # fmt: skip
    levels = {
        arm: build.levels[number % len(build.levels)] if build.levels else random.normal(0, build.restart_sd)
        for arm, build in builds.items()
    }
    made = []
    for couple in range(couples):
        queries = {operation: random.normal(0, 0.4, requests) for operation in operations}
        first_index = (number * couples + couple) * 100_000
        arms = {arm: interval(builds[arm], queries, levels[arm], first_index, random) for arm in Arm}
        made.append(Couple(couple, Arm(int(random.integers(2))), arms[Arm.BASE], arms[Arm.CANDIDATE]))
    warmup = {arm: made[0].arm(arm) for arm in Arm}
    return Pair(number, tuple(made), warmup, dict.fromkeys(Arm, NS_PER_S), {Arm.BASE: 1, Arm.CANDIDATE: 2}, {})


def interval(
    build: Build, queries: Mapping[Operation, np.ndarray], level: float, first_index: int, random: np.random.Generator
) -> Interval:
    """One slice of one arm."""
    parts = {}
    for place, (operation, query) in enumerate(queries.items()):
        log = np.log(MEDIAN_NS[operation] * build.slower.get(operation, 1.0)) + level + query
        log += random.normal(0, 0.1, len(query))
        log[log > np.quantile(log, 0.97)] += np.log(build.tail.get(operation, 1.0))
        indices = np.arange(len(query)) + first_index + 10_000 * place
        fails = random.random(len(query)) < build.failing.get(operation, 0.0)
        parts[operation] = _part(build, np.exp(log)[~fails], indices[fails])
    total = sum(part.total for part in parts.values())
    lag = Histogram.of(np.full(total, 20_000))
    sent = round(build.sent * total)
    return Interval(0, 0, SLICE_NS, total, sent, SLICE_NS + 1, parts, lag, EMPTY, examples=("bad status: 503",))


def _part(build: Build, latencies: np.ndarray, failed: np.ndarray) -> OperationInterval:
    values = latencies.astype(np.int64)
    values[: build.beyond] = 7200 * NS_PER_S
    outcomes = [0] * len(OUTCOMES)
    outcomes[Outcome.OK], outcomes[build.outcome] = len(values), len(failed)
    response = Histogram.of(values)
    return OperationInterval(
        response, response, tuple(outcomes), 40, build.found, 400, tuple(map(int, failed[:FAILED_KEYS_KEPT]))
    )
