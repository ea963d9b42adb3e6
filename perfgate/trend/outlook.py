"""What is said of one metric, and whether somebody should look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perfgate.trend.changes import Change, change_points
from perfgate.trend.network import Floats
from perfgate.trend.series import ROLLING_NS, Series, Slope, rolling_mean, slope
from perfgate.units import format_percent

MONTHLY_LIMIT = 0.05
ALPHA = 0.05
"""Two-sided, shared by the metrics: so often an interval of any of them misses 0 where nothing moves."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """series: all points; slope: of the newest four weeks (or the window asked for). mean, mean_se: rolling."""

    series: Series
    mean: Floats
    mean_se: Floats
    slope: Slope | None
    changes: tuple[Change, ...]
    limit: float

    @property
    def alert(self) -> bool:
        """As in the gate's rule: the estimate over the limit, and not by chance over nothing."""
        return self.slope is not None and math.expm1(self.slope.estimate) > self.limit and self.slope.lower > 0


def look_at(
    series: Series, metrics: int = 1, limit: float = MONTHLY_LIMIT, window_ns: float = ROLLING_NS, changes: bool = True
) -> Outlook:
    """metrics: how many are looked at together. limit: growth a month, 0.05 is 5 %. Raises InputError where change points
    are asked for and ruptures is missing."""
    mean, mean_se = rolling_mean(series)
    newest = series.since(float(series.times_ns.max()) - window_ns) if len(series) else series
    found = tuple(change_points(series)) if changes else ()
    return Outlook(series, mean, mean_se, slope(newest, 1 - ALPHA / metrics), found, limit)


def sentence(of: Outlook) -> str:
    """One line for a log."""
    if of.slope is None:
        return f"{of.series.metric}: {len(of.series)} point{'s' if len(of.series) > 1 else ''}, too few in the window for a slope"
    low, middle, high = (
        format_percent(math.expm1(value), signed=True) for value in (of.slope.lower, of.slope.estimate, of.slope.upper)
    )
    head = f"{of.series.metric}: {middle} a month [{low}, {high}] over {of.slope.points} points"
    if not of.alert:
        return head
    since = [change for change in of.changes if change.at_ns >= of.series.times_ns[-1] - ROLLING_NS and change.step > 0]
    why = f"; it jumped at {since[-1].commit[:12]}" if since else "; no single commit stands out: it creeps"
    return f"ALERT {head}, over the limit of {100 * of.limit:g} % a month{why}"


def to_json(of: Outlook) -> dict[str, object]:
    """For programs; log ratios as ratios minus 1."""
    reach = of.series.reach()
    return {
        "metric": of.series.metric, "anchor": of.series.anchor, "alert": of.alert, "limit_per_month": of.limit,
        "points": [
            {
                "commit": commit, "wall_ns": int(at), "change": math.expm1(value), "lower": math.expm1(value - half),
                "upper": math.expm1(value + half), "rolling_mean": math.expm1(mean),
            }
            for commit, at, value, half, mean in zip(
                of.series.commits, of.series.times_ns, of.series.values, reach, of.mean, strict=True
            )
        ],
        "slope_per_month": None if of.slope is None else {
            "estimate": math.expm1(of.slope.estimate), "lower": math.expm1(of.slope.lower),
            "upper": math.expm1(of.slope.upper), "confidence": of.slope.confidence, "points": of.slope.points,
        },
        "change_points": [
            {"commit": one.commit, "wall_ns": int(one.at_ns), "step": math.expm1(one.step), "lower": math.expm1(one.lower),
             "upper": math.expm1(one.upper)}
            for one in of.changes
        ],
    }  # fmt: skip


def spread_words(spread: float) -> str:
    """Where the gates contradict each other; empty otherwise."""
    return f"gates contradict each other: intervals are {np.sqrt(spread):.1f} times as wide" if spread > 1.5 else ""
