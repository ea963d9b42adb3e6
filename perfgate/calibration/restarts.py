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
from perfgate.gate.latency import latency_table
from perfgate.gate.pair_effect import STATISTICS, PairEffects
from perfgate.gate.policy import Policy
from perfgate.gate.restarts import Restarts, uncalibrated
from perfgate.operation import Operation
from perfgate.stats.couple_spread import CoupleSpread
from perfgate.stats.starts import Nested, RestartSpread, couple_spread, nest, restart_spread
from perfgate.stats.variance_bounds import difference_upper

Floats = NDArray[np.float64]


def restarts_of(profile: HostProfile) -> Restarts:
    """How much starts vary, by operation and quantile, and how couples of processes do in the mean over operations."""
    spreads = {
        (one.operation, one.statistic): RestartSpread(one.restart_sd, one.restart_df, one.couples)
        for one in profile.components
    }
    return Restarts(profile.starts, spreads, profile.together)


def with_shared_starts(
    parts: Sequence[Component], found: PairEffects, starts: NDArray[np.int64], trim: float
) -> tuple[Component, ...]:
    """The components where processes served several pairs each: what starts add is then told by couples of processes, not
    by pairs. starts: which couple served each pair, int64 (pairs,); trim: the one that gates will use. As they are where
    it cannot be told."""
    table = latency_table(found)
    places = {operation: place for place, operation in enumerate(found)}
    columns = [table[:, places[part.operation], STATISTICS.index(part.statistic)] for part in parts]
    return tuple(_with_shared(part, values, starts, trim) for part, values in zip(parts, columns, strict=True))


def spread_together(found: PairEffects, starts: NDArray[np.int64], trim: float) -> dict[str, CoupleSpread]:
    """By statistic, how couples of processes differ in the mean over operations; without those that cannot be told."""
    means = latency_table(found).mean(axis=1)  # NaN where a pair does not know all of them, as in a gate
    nested = {name: _nested(means[:, column], starts, trim) for column, name in enumerate(STATISTICS)}
    return {name: couple_spread(of) for name, of in nested.items() if of is not None}


def _with_shared(part: Component, values: Floats, starts: NDArray[np.int64], trim: float) -> Component:
    whole, trimmed = _nested(values, starts, 0.0), _nested(values, starts, trim)
    if whole is None:
        return part
    spread = restart_spread(whole)
    upper = difference_upper(float(whole.means.var(ddof=1)), len(whole.means) - 1, whole.of_pairs, whole.df)
    return dataclasses.replace(
        part, restart_sd=spread.sd, restart_df=spread.df, restart_upper=math.sqrt(upper / 2),
        couples=couple_spread(trimmed) if trimmed else None,
    )  # fmt: skip


def _nested(values: Floats, starts: NDArray[np.int64], trim: float) -> Nested | None:
    """None where couples cannot be told from pairs."""
    there = ~np.isnan(values)
    of = nest(values[there], starts[there], trim)
    return of if len(of.means) >= 2 and of.df >= 1 else None


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
