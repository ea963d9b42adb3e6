"""From A/A pairs to the components of noise, operation by operation and quantile by quantile."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perfgate.calibration.profile import Component
from perfgate.gate.latency import levels
from perfgate.gate.pair_effect import STATISTICS, PairEffect, PairEffects
from perfgate.gate.policy import Policy
from perfgate.operation import Operation
from perfgate.stats.tail_weight import gain, symmetric_se
from perfgate.stats.variance import variance_split
from perfgate.stats.variance_bounds import difference_df, difference_upper, sd_bounds

HEAVY_TRIM = 0.25
HEAVY_GAIN = -0.05
"""Trim a quarter where that narrows the interval by 5 % or more: light tails are then called heavy in a tenth of
calibrations of 20 pairs and three operations, which costs a tenth of the interval's width (docs/calibration.md)."""
HEAVY_PAIRS = 12
"""Pairs under which tails cannot be told."""


def tail_gains(found: PairEffects, policy: Policy) -> dict[tuple[Operation, str], float]:
    """log of interval with a quarter trimmed / interval with the policy's trim, at the last look, for each metric."""
    last, gains = policy.looks[-1], {}
    for operation, effects in found.items():
        for column, statistic in enumerate(STATISTICS):
            values = _values(effects, column)
            level = levels(policy, policy.primary_share / len(found), last).block
            enough = len(values) >= HEAVY_PAIRS
            gains[operation, statistic] = gain(values, policy.trim, HEAVY_TRIM, last, level) if enough else 0.0
    return gains


def tails_are_heavy(gains: dict[tuple[Operation, str], float], policy: Policy) -> bool:
    """On the average over operations of the primary quantile, since one trim holds for all."""
    primary = [value for (_, statistic), value in gains.items() if statistic == policy.primary]
    return bool(primary) and sum(primary) / len(primary) < HEAVY_GAIN


def components(found: PairEffects, gains: dict[tuple[Operation, str], float], trim: float) -> tuple[Component, ...]:
    """Of everything that at least two pairs say something about. trim: the one that gates will use."""
    return tuple(
        _component(operation, statistic, effects, column, gains[operation, statistic] < HEAVY_GAIN, trim)
        for operation, effects in found.items()
        for column, statistic in enumerate(STATISTICS)
        if len(_values(effects, column)) >= 2
    )


def _component(
    operation: Operation, statistic: str, effects: Sequence[PairEffect | None], column: int, heavy: bool, trim: float
) -> Component:
    values = _values(effects, column)
    groups = [effect.by_group[:, column] for effect in effects if effect]
    count, pair_sd = len(values), float(values.std(ddof=1))
    lower, upper = sd_bounds(pair_sd, count - 1)
    restart = _restart(groups, pair_sd)
    return Component(
        operation, statistic, *restart, pair_sd=pair_sd, pair_sd_lower=lower, pair_sd_upper=upper,
        robust_sd=1.4826 * float(np.median(np.abs(values - np.median(values)))),
        trimmed_sd=symmetric_se(values, trim) * math.sqrt(count), heavy=heavy,
    )  # fmt: skip


def _restart(groups: Sequence[NDArray[np.float64]], pair_sd: float) -> tuple[float, float, float, float, float]:
    """restart_sd, restart_df, restart_upper, drift_sd, within_sd. Where pairs have too few groups to tell the sources
    apart, everything counts as restarts: that errs on the safe side.

    Pairs' means vary by two restarts and by what varies inside a pair: M = 2 restart² + I. M has one degree of freedom
    less than there are pairs; I, from one half-difference a pair, one for each.
    """
    split = variance_split(groups)
    if split is None:
        return (
            pair_sd / math.sqrt(2),
            len(groups) - 1.0,
            sd_bounds(pair_sd, len(groups) - 1, 0.9)[1] / math.sqrt(2),
            0.0,
            0.0,
        )
    means = np.array([group.mean() for group in groups if len(group) >= 4])
    between, inside, count = float(means.var(ddof=1)), split.drift + split.within, len(means)
    df = difference_df(between, count - 1, inside, count)
    upper = difference_upper(between, count - 1, inside, count)
    return math.sqrt(split.restart / 2), df, math.sqrt(upper / 2), math.sqrt(split.drift), math.sqrt(split.within)


def _values(effects: Sequence[PairEffect | None], column: int) -> NDArray[np.float64]:
    return np.array([effect.log_ratios[column] for effect in effects if effect], dtype=np.float64)
