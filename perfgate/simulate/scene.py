"""What cases are made of: a pool of requests, noise that a case may change, and gates that decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.operation import Operation
from perfgate.simulate.case import Ask, Row
from perfgate.simulate.pool import OPERATIONS, Candidate, Pool, make_pool
from perfgate.simulate.profile import Profile
from perfgate.simulate.rates import NAMES, make_tables, run_gate
from perfgate.simulate.regression import service_factor
from perfgate.simulate.requests import WORKERS
from perfgate.simulate.seconds import Noise, draw_noise
from perfgate.simulate.truth import TRUTHS, Truth
from perfgate.stats.trimmed import trimmed_means

POOL = 300
"""Pairs at most; for fewer gates fewer, but three times what a gate needs."""
CHUNK = 50
SAME = TRUTHS["same"]

Floats = NDArray[np.float64]
Batch = tuple[Floats, Floats]
"""Tables (runs, pairs, operations, 3) and log medians (runs, pairs, 1, arms): see `rates.make_tables`."""
Change = Callable[[Noise, np.random.Generator], Noise]


@dataclass(frozen=True, slots=True)
class Scene:
    """One pool of requests under the policy; `factor`: of a truth, on service times."""

    ask: Ask
    pool: Pool
    random: np.random.Generator

    def factor(self, truth: Truth) -> float:
        """By what service times are multiplied so that the p99 of responses moves by what the truth says."""
        return service_factor(truth.change, self.ask.rate / WORKERS)


def scene(ask: Ask, name: str, truths: Sequence[Truth] = (), others: Sequence[Candidate] = ()) -> Scene:
    """The scene of the case `name`, which knows the service times of `truths` besides those of the same build, and
    `others`: candidates of another kind."""
    random = np.random.default_rng([ask.seed, 2, *name.encode()])
    factors = sorted({1.0, *(service_factor(truth.change, ask.rate / WORKERS) for truth in truths)})
    pairs = max(3 * ask.policy.looks[-1], min(POOL, ask.runs))
    pool = make_pool(ask.policy, ask.rate, [*factors, *others], pairs, random, lambda share: ask.tick(name, share / 2))
    return Scene(ask, pool, random)


def batches(
    of: Scene, profile: Profile, truth: Truth = SAME, change: Change | None = None, candidate: Candidate | None = None
) -> Iterator[Batch]:
    """As many gates as are asked for, some at a time. change: what the case does to the noise of seconds; candidate: of
    another kind than the truth's."""
    policy, runs = of.ask.policy, of.ask.runs
    for start in range(0, runs, CHUNK):
        noise = draw_noise(profile, policy, of.pool.couples, min(CHUNK, runs - start), policy.looks[-1], of.random)
        if change is not None:
            noise = change(noise, of.random)
        changed = of.factor(truth) if candidate is None else candidate
        yield make_tables(noise, profile, truth, policy, of.pool, changed, of.random)


def decide_all(
    label: str, policy: Policy, found: Iterable[Batch], names: Sequence[Operation] = NAMES, watch: int = OPERATIONS - 1
) -> Row:
    """One row: what the gate's own rule said of each. Its figure: the p99 of operation number `watch` over all pairs, on
    average over gates, as percent more than the base's."""
    words: Counter[Word] = Counter()
    used, means = 0, []
    for tables, medians in found:
        means.append(trimmed_means(tables[:, :, watch, 2], policy.trim))
        for table, median in zip(tables, medians, strict=True):
            word, pairs, _ = run_gate(table, median, policy, names)
            words[word] += 1
            used += pairs
    runs = words.total()
    shown = 100 * float(np.expm1(np.concatenate(means).mean()))
    return Row(
        label, runs, words[Word.BLOCK], words[Word.PASS], words[Word.INCONCLUSIVE], used / runs,
        {"mean p99 change %": shown},
    )  # fmt: skip
