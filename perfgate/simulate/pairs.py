"""Whole pairs with histograms, failures and recall, as an agent would report them: for what effects alone cannot show.

`Build` says what is true of the candidate; the gate's own `compare` decides. A hundred times slower than tables of
effects, so for tens of gates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from perfgate.gate.compare import compare
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.histogram import Histogram
from perfgate.interval import FAILED_KEYS_KEPT, Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.pair import Couple, Pair
from perfgate.segment import Arm
from perfgate.simulate.case import Ask, Row
from perfgate.simulate.rates import NAMES
from perfgate.units import NS_PER_MS, NS_PER_S

COUPLES = 8
SLICES = 4
"""Of the policy's, joined into one of these: fewer histograms to make."""
QUERY_SD, OWN_SD = 0.35, 0.15
NEIGHBOURS = 10
LAG_NS = 20_000
EMPTY = Histogram.empty()


@dataclass(frozen=True, slots=True)
class Build:
    """What is true of a build. p99_ns: of every operation; failing: share of requests; recall: share of true neighbours
    found; restart_sd: between processes, in units of the log."""

    p99_ns: float = 8.0 * NS_PER_MS
    failing: float = 0.0005
    recall: float = 0.95
    restart_sd: float = 0.01
    outages: float = 0.0
    """Share of a process's seconds in which nothing is answered."""


def run_gates(label: str, ask: Ask, base: Build, candidate: Build, runs: int) -> Row:
    """What `compare` said of `runs` gates, asked at each look. Its figure: the share of all gates in which each kind of
    reason was given with a BLOCK."""
    random = np.random.default_rng([ask.seed, 3, *label.encode()])
    words: Counter[Word] = Counter()
    reasons: Counter[str] = Counter()
    used = 0
    for _ in range(runs):
        pairs = _pairs(ask, base, candidate, random)
        word, named, count = _decide(list(pairs), ask.policy)
        words[word] += 1
        reasons.update(named)
        used += count
    shares = {f"BLOCK for {code}": count / runs for code, count in sorted(reasons.items())}
    return Row(
        label, runs, words[Word.BLOCK], words[Word.PASS], words[Word.INCONCLUSIVE], used / runs, shares
    )  # fmt: skip


def _decide(pairs: Sequence[Pair], policy: Policy) -> tuple[Word, set[str], int]:
    """(word, codes of a BLOCK's reasons, pairs used)."""
    for look in policy.looks:
        comparison = compare(pairs[:look], policy, NAMES)
        if comparison.final:
            break
    verdict = comparison.verdict
    codes = {reason.code for reason in verdict.reasons} if verdict.word is Word.BLOCK else set()
    return verdict.word, codes, look


def _pairs(ask: Ask, base: Build, candidate: Build, random: np.random.Generator) -> Iterator[Pair]:
    requests = max(ask.policy.group_requests, round(ask.rate * SLICES * ask.policy.slice_ns / NS_PER_S))
    builds = {Arm.BASE: base, Arm.CANDIDATE: candidate}
    for number in range(ask.policy.looks[-1]):
        levels = {arm: build.restart_sd * random.standard_normal() for arm, build in builds.items()}
        couples = []
        for couple in range(COUPLES):
            queries = QUERY_SD * random.standard_normal((len(NAMES), requests))
            first_index = (number * COUPLES + couple) * 100_000
            arms = {arm: _slice(builds[arm], queries, levels[arm], first_index, random) for arm in Arm}
            couples.append(Couple(couple, Arm(int(random.integers(2))), arms[Arm.BASE], arms[Arm.CANDIDATE]))
        warmup = {arm: couples[0].arm(arm) for arm in Arm}
        yield Pair(number, tuple(couples), warmup, dict.fromkeys(Arm, NS_PER_S), {Arm.BASE: 1, Arm.CANDIDATE: 2}, {})


def _slice(build: Build, queries: np.ndarray, level: float, first_index: int, random: np.random.Generator) -> Interval:
    parts = {}
    failing = 1.0 if build.outages and random.random() < build.outages else build.failing
    for place, (operation, query) in enumerate(zip(NAMES, queries, strict=True)):
        fails = random.random(len(query)) < failing
        indices = np.flatnonzero(fails) + first_index + 10_000 * place
        spread = query + OWN_SD * random.standard_normal(len(query))
        at_p99 = 2.326 * np.hypot(QUERY_SD, OWN_SD)
        latencies = build.p99_ns * np.exp(spread - at_p99 + level)
        parts[operation] = _part(build, operation, latencies[~fails], indices, random)
    total = queries.size
    lag = Histogram.of(np.full(total, LAG_NS))
    return Interval(0, 0, NS_PER_S, total, total, NS_PER_S + 1, parts, lag, EMPTY)


def _part(
    build: Build, operation: Operation, latencies: np.ndarray, failed: np.ndarray, random: np.random.Generator
) -> OperationInterval:
    outcomes = [0] * len(OUTCOMES)
    outcomes[Outcome.OK], outcomes[Outcome.BAD_STATUS] = len(latencies), len(failed)
    response = Histogram.of(latencies.astype(np.int64))
    checked = 0 if operation is Operation.STORE else len(latencies) // 10
    expected = NEIGHBOURS * checked
    found = int(random.binomial(expected, build.recall))
    kept = tuple(map(int, failed[:FAILED_KEYS_KEPT]))
    return OperationInterval(response, EMPTY, tuple(outcomes), checked, found, expected, kept)
