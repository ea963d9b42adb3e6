"""What the gate would say on this host, by resampling the pairs that were measured.

Both processes of an A/A pair are of one build, and which is called the base was drawn: so a pair's log ratios, all of
them together, may change their sign without becoming less likely (a randomisation test's argument: Fisher 1935; Romano
1990). A gate is made of pairs drawn with replacement, each turned round by a coin's toss, and decided by the gate's own
code. That keeps what the pairs have in common between operations and quantiles, and takes no distribution for granted.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from perfgate.calibration.profile import FalseAlarm, Prediction
from perfgate.gate.policy import Policy
from perfgate.gate.starts import starts_are_bimodal
from perfgate.gate.verdict import Word
from perfgate.operation import Operation
from perfgate.simulate.rates import run_gate
from perfgate.stats.shares import clopper_pearson

Floats = NDArray[np.float64]
Tick = Callable[[float], None]

CHANGES = (0.10, 0.20)
SAME_GATES = 2_000
"""None of 2,000 bounds a share by 0.15 %."""
CHANGED_GATES = 500
"""A share near one half is known to 4 points."""


def predictions(
    table: Floats, medians: Floats, policy: Policy, operations: tuple[Operation, ...], seed: int,
    tick: Tick = lambda share: None,
) -> tuple[Prediction, ...]:  # fmt: skip
    """Of the same build, and of each operation 10 and 20 % slower in all of its quantiles.

    table: float64 (pairs, operations, 3), log ratios; medians: float64 (pairs, operations, 2), log medians of the
    processes. The policy's absolute floor is left out: ratios do not know it.
    """
    random = np.random.default_rng(seed)
    cases: list[tuple[Operation | None, float, int]] = [(None, 0.0, SAME_GATES)]
    cases += [(operation, change, CHANGED_GATES) for operation in operations for change in CHANGES]
    made = []
    for number, (operation, change, runs) in enumerate(cases):
        tick(number / len(cases))
        shift = np.zeros((len(operations), 1))
        if operation is not None:
            shift[operations.index(operation)] = np.log1p(change)
        words, pairs = resample(table, medians, policy, operations, shift, runs, random)
        block, passed, open_ = (words[word] / runs for word in (Word.BLOCK, Word.PASS, Word.INCONCLUSIVE))
        made.append(Prediction(operation, change, block, passed, open_, pairs / runs, runs))
    return tuple(made)


def false_alarm(same: Prediction) -> FalseAlarm:
    """Of the prediction for the same build, with its bounds."""
    lower, upper = clopper_pearson(round(same.block * same.resamples), same.resamples)
    return FalseAlarm(same.block, lower, upper, same.resamples)


def resample(
    table: Floats, medians: Floats, policy: Policy, operations: tuple[Operation, ...], shift: Floats, runs: int,
    random: np.random.Generator,
) -> tuple[Counter[Word], int]:  # fmt: skip
    """How often each word was said in `runs` gates, and how many pairs they took together. shift: float64
    (operations, 1), added to each pair's log ratios after it was turned."""
    policy = dataclasses.replace(policy, floor_ns=0)
    # A process that is drawn twice makes a group of its own: so gates ask for two groups of starts only where the
    # measured processes themselves fall into two.
    asked = starts_are_bimodal(medians)
    most, words, used = policy.looks[-1], Counter[Word](), 0
    for _ in range(runs):
        drawn = random.integers(0, len(table), most)
        turned = random.random(most) < 0.5
        ratios = np.where(turned[:, None, None], -1.0, 1.0) * table[drawn] + shift
        starts = np.where(turned[:, None, None], medians[drawn][:, :, ::-1], medians[drawn])
        word, pairs, _ = run_gate(ratios, starts if asked else np.zeros_like(starts), policy, operations)
        words[word] += 1
        used += pairs
    return words, used
