"""What a gate whose processes serve several pairs borrows of a host profile, and how a calibration finds it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perfgate.calibration.choose import Choice
from perfgate.calibration.profile import Component, HostProfile
from perfgate.errors import InputError
from perfgate.gate.pair_effect import STATISTICS, PairEffect, PairEffects
from perfgate.gate.policy import Policy
from perfgate.gate.restarts import Restarts, uncalibrated
from perfgate.operation import Operation
from perfgate.stats.starts import RestartSpread, nest, restart_spread
from perfgate.stats.variance_bounds import difference_upper


def restarts_of(profile: HostProfile) -> Restarts:
    """How much starts vary, by operation and quantile."""
    spreads = {
        (one.operation, one.statistic): RestartSpread(one.restart_sd, one.restart_df) for one in profile.components
    }
    return Restarts(profile.starts, spreads)


def with_shared_starts(
    parts: Sequence[Component], found: PairEffects, starts: NDArray[np.int64]
) -> tuple[Component, ...]:
    """The components where processes served several pairs each: what starts add is then told by couples of processes, not
    by pairs. starts: which couple served each pair, int64 (pairs,). As they are where it cannot be told."""
    return tuple(_with_shared(part, found[part.operation], starts) for part in parts)


def _with_shared(part: Component, effects: Sequence[PairEffect | None], starts: NDArray[np.int64]) -> Component:
    column = STATISTICS.index(part.statistic)
    there = np.array([effect is not None for effect in effects])
    values = [effect.log_ratios[column] for effect in effects if effect]
    of = nest(values, starts[there], 0.0)
    if len(of.means) < 2 or of.df < 1:
        return part
    spread = restart_spread(of)
    between, within = float(of.means.var(ddof=1)), of.within * float(np.mean(1 / of.kept))
    upper = difference_upper(between, len(of.means) - 1, within, of.df)
    return dataclasses.replace(part, restart_sd=spread.sd, restart_df=spread.df, restart_upper=math.sqrt(upper / 2))


def require_restarts(policy: Policy, choice: Choice, operations: Sequence[Operation]) -> Restarts | None:
    """What the profile that was chosen knows of starts; None where each pair has processes of its own. Raises InputError
    where it must be known and is not: such a gate could only be INCONCLUSIVE, so it is refused before it starts."""
    if not policy.starts:
        return None
    restarts = restarts_of(choice.profile) if choice.profile else None
    if missing := uncalibrated(policy, restarts, operations):
        why = f" ({choice.note})" if choice.note and not choice.profile else ""
        raise InputError(
            f"gate.starts = {policy.starts}: this gate could only be INCONCLUSIVE: {missing.text}{why}; {missing.remedy}, "
            "or set starts = 0 for a fresh process for each pair"
        )
    return restarts
