"""One metric over time, against the anchor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perfgate.stats.student import t_bound
from perfgate.trend.network import Floats

DAY_NS = 86_400 * 1_000_000_000
WEEK_NS = 7 * DAY_NS
MONTH_NS = 365.25 / 12 * DAY_NS
ROLLING_NS = 4 * WEEK_NS
LEAST_POINTS = 4


@dataclass(frozen=True, slots=True)
class Series:
    """commits in the order of times_ns (since 1970); values: float64 (n,), log ratios to `anchor`; covariance (n, n)."""

    metric: str
    anchor: str
    commits: tuple[str, ...]
    times_ns: Floats
    values: Floats
    covariance: Floats

    def __len__(self) -> int:
        return len(self.commits)

    def since(self, wall_ns: float) -> Series:
        """The points from then on."""
        chosen = np.flatnonzero(self.times_ns >= wall_ns)
        names = tuple(self.commits[place] for place in chosen)
        square = self.covariance[np.ix_(chosen, chosen)]
        return Series(self.metric, self.anchor, names, self.times_ns[chosen], self.values[chosen], square)

    def reach(self, confidence: float = 0.95) -> Floats:
        """float64 (n,): half of each value's interval, by the normal distribution: t is in the variances already."""
        found: Floats = t_bound((1 - confidence) / 2, 1e6) * np.sqrt(np.diag(self.covariance))
        return found


@dataclass(frozen=True, slots=True)
class Slope:
    """Per month, as a log ratio, with a two-sided interval at `confidence`; of `points` points."""

    estimate: float
    lower: float
    upper: float
    confidence: float
    points: int


def rolling_mean(series: Series, window_ns: float = ROLLING_NS) -> tuple[Floats, Floats]:
    """(means, standard errors), float64 (n,) each: of the points of the window that ends with each of them."""
    times = series.times_ns
    inside = ((times[None, :] <= times[:, None]) & (times[None, :] > times[:, None] - window_ns)).astype(np.float64)
    weights = inside / inside.sum(axis=1, keepdims=True)
    return weights @ series.values, np.sqrt(np.einsum("ij,jk,ik->i", weights, series.covariance, weights))


def slope(series: Series, confidence: float = 0.95) -> Slope | None:
    """Generalised least squares with all covariances (Aitken 1936); where the points scatter about the line by more than
    those allow, the interval is as much wider (Birge 1932). None for fewer than four points, or all of one moment."""
    if len(series) < LEAST_POINTS or series.times_ns[-1] <= series.times_ns[0]:
        return None
    months = (series.times_ns - series.times_ns[-1]) / MONTH_NS
    fitted, covariance = fit(np.column_stack([np.ones(len(series)), months]), series)
    se = math.sqrt(covariance[1, 1])
    reach = t_bound((1 - confidence) / 2, len(series) - 2) * se
    return Slope(float(fitted[1]), float(fitted[1] - reach), float(fitted[1] + reach), confidence, len(series))


def fit(design: Floats, series: Series) -> tuple[Floats, Floats]:
    """(coefficients, covariance) of values = design @ coefficients; design float64 (n, k), n > k."""
    inverse = np.linalg.inv(series.covariance)
    covariance = np.linalg.inv(design.T @ inverse @ design)
    fitted: Floats = covariance @ (design.T @ inverse @ series.values)
    rest = series.values - design @ fitted
    scale = max(1.0, float(rest @ inverse @ rest) / (len(series) - design.shape[1]))
    return fitted, covariance * scale
