"""Gates whose processes serve several pairs each, and the calibration that they borrow from, which is simulated as well.

A process keeps its level, and its drift goes on, over all pairs that it serves. A gate never knows how much starts vary:
it is told what a calibration of CALIBRATED couples of processes found, another one for each gate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.pair_effect import STATISTICS
from perfgate.gate.policy import Policy
from perfgate.gate.restarts import Restarts
from perfgate.operation import Operation
from perfgate.simulate.profile import Profile
from perfgate.simulate.seconds import Noise
from perfgate.stats.starts import couple_spread, nest, restart_spread

CALIBRATED = 20
"""Couples of processes in a calibration: twenty starts of each side. Each serves as many pairs as in the gate."""

Floats = NDArray[np.float64]
Draw = Callable[[Profile, Policy, int, int, int, np.random.Generator], Noise]


def draw_started(
    draw: Draw, profile: Profile, policy: Policy, couples: int, runs: int, starts: int, random: np.random.Generator
) -> Noise:
    """The noise of `runs` gates of `starts` couples of processes, pair by pair as `draw` gives it: (runs, pairs, couples,
    arms). All pairs of a process are drawn as one long one, and cut."""
    long = draw(profile, policy, couples * policy.pairs_a_start, runs, starts, random)
    shape = (runs, starts * policy.pairs_a_start, couples, 2)
    return Noise(long.level.reshape(shape), long.burst.reshape(shape))


def calibrated(tables: Floats, policy: Policy, operations: Sequence[Operation]) -> list[Restarts]:
    """What each calibration tells of starts. tables: float64 (runs, pairs, operations, 3), log ratios of A/A pairs, the
    pairs of a process one after the other."""
    starts = np.arange(tables.shape[1]) // policy.pairs_a_start
    count = 2 * len(np.unique(starts))
    return [
        Restarts(
            count,
            {
                (operation, statistic): restart_spread(nest(table[:, place, column], starts, policy.trim))
                for place, operation in enumerate(operations)
                for column, statistic in enumerate(STATISTICS)
            },
            {
                statistic: couple_spread(nest(table[:, :, column].mean(axis=1), starts, policy.trim))
                for column, statistic in enumerate(STATISTICS)
            },
        )
        for table in tables
    ]
