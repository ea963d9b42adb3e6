"""Quantiles of small samples: smoothed over neighbouring order statistics, by a model of the tail, or request by request.

Samples are given in ascending order. The weighted ones are linear in what they are given: of logs, they are equivariant to
a scale, as the log of a quantile is, and one stall weighs no more than its rank. The gate uses the plain one: what was
compared, and why, is in docs/estimators.md.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

KINDS = ("plain", "harrell_davis", "kernel", "band")
ROUNDING = 1e-9
"""0.99 of 300 is 297, whatever floating point makes of it."""

Floats = NDArray[np.float64]


def weighted_quantile(ordered: Floats, q: float, kind: str = "plain", width: float = 1.0) -> float:
    """Order statistics of a sample (n,), n > 0, weighted by `rank_weights`. Monotone in q but for rounding.

    Raises ValueError as `rank_weights` does.
    """
    return float(ordered @ rank_weights(kind, len(ordered), q, width))


@lru_cache(maxsize=16_384)
def rank_weights(kind: str, count: int, q: float, width: float = 1.0) -> Floats:
    """What each order statistic of `count` weighs, float64 (count,), adding up to 1; read-only. `width`: see `rank_shares`.

    Raises ValueError for a q outside (0, 1), an unknown kind, a width that is not positive, or no values.
    """
    if count < 1:
        raise ValueError("a quantile of no values does not exist")
    weights: Floats = np.diff(rank_shares(kind, np.arange(count + 1) / count, count, q, width))
    weights.setflags(write=False)
    return weights


def rank_shares(kind: str, places: Floats, count: int, q: float, width: float = 1.0) -> Floats:
    """How much of the weight lies at ranks up to `places` (shares of the sample, 0 to 1), float64 of the same shape: of a
    histogram, a bucket weighs the difference between its end and its beginning.

    plain: all on the order statistic ceil(q n), which is where interpolation in a histogram ends up.
    harrell_davis: the Beta((n+1) q, (n+1) (1-q)) distribution: the expected order statistic. F. E. Harrell & C. E. Davis
    (1982), A new distribution-free quantile estimator, Biometrika 69. `width` multiplies its standard deviation.
    kernel: normal with standard deviation `width` sqrt(q (1-q) / (n+1)), cut to [0, 1]. S. J. Sheather & J. S. Marron
    (1990), Kernel quantile estimators, JASA 85.
    band: uniform over q plus or minus `width` (1-q): weighted order statistics (trimmed L-statistics); width at most 1.
    """
    if not 0 < q < 1:
        raise ValueError(f"q = {q} must lie between 0 and 1")
    if not width > 0 or (kind == "band" and width > 1):
        raise ValueError(f"width = {width} must be positive, for a band at most 1")
    if kind == "plain":
        shares: Floats = (places * count >= math.ceil(q * count - ROUNDING) - ROUNDING).astype(np.float64)
        return shares
    if kind == "harrell_davis":
        return _beta(places, (count + 1) / width**2, q)
    if kind == "kernel":
        return _normal(places, width * math.sqrt(q * (1 - q) / (count + 1)), q)
    if kind == "band":
        reach = min(width * (1 - q), q)
        return _uniform(places, reach, q)
    raise ValueError(f"kind = {kind!r} must be one of: {', '.join(KINDS)}")


def _beta(places: Floats, total: float, q: float) -> Floats:
    from scipy.special import betainc

    shares: Floats = betainc(total * q, total * (1 - q), places)
    return shares


def _uniform(places: Floats, reach: float, q: float) -> Floats:
    shares: Floats = np.clip((places - (q - reach)) / (2 * reach), 0.0, 1.0)
    return shares


def _normal(places: Floats, sd: float, q: float) -> Floats:
    from scipy.special import ndtr

    low, high = ndtr((0 - q) / sd), ndtr((1 - q) / sd)
    shares: Floats = (ndtr((places - q) / sd) - low) / (high - low)
    return shares


def tail_quantile(ordered: Floats, q: float, share: float = 0.1) -> float:
    """By a generalised Pareto distribution fitted to what exceeds the order statistic that leaves `share` above it:
    u + s/k (1 - (n (1-q) / m)^k), m the number of exceedances. A sample (n,) on its own scale, not its logs.

    Peaks over a threshold: J. Pickands (1975), Annals of Statistics 3. Fit by probability-weighted moments: see
    `pareto_moments`. Raises ValueError unless 0 < 1 - q <= share < 1. NaN for fewer than 5 exceedances.
    """
    if not 0 < 1 - q <= share + ROUNDING or not share < 1:
        raise ValueError(f"q = {q} must lie in the tail of {share} that is modelled")
    count = len(ordered)
    above = round(share * count)
    if above < 5 or above >= count:
        return math.nan
    threshold = float(ordered[count - above - 1])
    shape, scale = pareto_moments(ordered[count - above :] - threshold)
    left = count * (1 - q) / above
    reach = -math.log(left) if abs(shape) < 1e-9 else (1 - left**shape) / shape
    return threshold + scale * reach


def pareto_moments(ordered: Floats) -> tuple[float, float]:
    """Shape k (positive: the tail ends; scipy's c = -k) and scale of a generalised Pareto distribution from exceedances in
    ascending order, by probability-weighted moments: k = a0 / (a0 - 2 a1) - 2, scale = 2 a0 a1 / (a0 - 2 a1), a1 the mean
    of x (1 - p) with p = (i - 0.35) / n. J. R. M. Hosking & J. R. Wallis (1987), Technometrics 29."""
    count = len(ordered)
    places = (np.arange(1, count + 1) - 0.35) / count
    a0, a1 = float(ordered.mean()), float((ordered * (1 - places)).mean())
    if not a0 - 2 * a1 > 0:  # all values equal, or nearly: an exponential tail
        return 0.0, a0
    return a0 / (a0 - 2 * a1) - 2, 2 * a0 * a1 / (a0 - 2 * a1)


def paired_tail_ratio(base: Floats, candidate: Floats, q: float, width: float = 1.0) -> float:
    """Mean of the log ratio candidate / base request by request, over those whose geometric mean of both lies at ranks from
    q - width (1-q) to q + width (1-q). Logs of the same requests' times in both arms, float64 (n,), in any order.

    Exchange of the arms only flips its sign. NaN where the band holds no request.
    """
    order = np.argsort(base + candidate, kind="stable")
    weights = rank_weights("band", len(order), q, width)
    return float((candidate - base)[order] @ weights)
