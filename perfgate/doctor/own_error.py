"""The generator's own error, as a share of what it is meant to find: a regression of 5 % in a p99 of 1 ms.

A request that goes out late is answered late: its lag adds to its response time. What the lag adds to the p99 of a store
is found by adding the lags as recorded to a lognormal store (a convolution, exact up to the histogram's buckets). Most of
it is the same for both builds and cancels; what remains is what it added to one arm of this A/A run and not to the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from perfgate.gate.outlook import LOG_LATENCY_SD
from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.pair import Pair
from perfgate.segment import Arm
from perfgate.stats.trimmed import trimmed_estimate
from perfgate.units import NS_PER_MS

STORE_P99_NS = NS_PER_MS
REGRESSION = 0.05
_NORMAL = NormalDist()
_STEPS = 40


@dataclass(frozen=True, slots=True)
class OwnError:
    """added_ns: what lags add to a p99 of 1 ms, for both builds alike. difference_ns: what a pair's slices of this run
    put on one arm and not on the other (trimmed mean over couples), with its standard error. target_ns: 5 % of 1 ms."""

    added_ns: float
    difference_ns: float
    standard_error_ns: float
    target_ns: float = STORE_P99_NS * REGRESSION

    @property
    def added_share(self) -> float:
        """Of the target: 1 where lags alone look like a regression of 5 %."""
        return self.added_ns / self.target_ns

    @property
    def difference_share(self) -> float:
        """Of what is to be found; 1.96 standard errors where the difference is within them."""
        return max(abs(self.difference_ns), 1.96 * self.standard_error_ns) / self.target_ns


def own_error(pair: Pair, policy: Policy) -> OwnError | None:
    """None with fewer than two couples that count."""
    lags = [tuple(couple.arm(arm).lag for arm in Arm) for couple in pair.usable]
    lags = [arms for arms in lags if all(one.total for one in arms)]
    if len(lags) < 2:
        return None
    values = [added_to_p99(candidate) - added_to_p99(base) for base, candidate in lags]
    estimate = trimmed_estimate(values, policy.couple_trim)
    everything = Histogram.merge([one for arms in lags for one in arms])
    return OwnError(added_to_p99(everything), estimate.mean, estimate.se)


def added_to_p99(lag: Histogram, store_p99_ns: int = STORE_P99_NS) -> float:
    """By how many ns the p99 of lognormal response times rises when such lags are added to them."""
    middles = lag.geometry.lower_of(lag.buckets) + lag.geometry.width_of(lag.buckets) / 2
    values, weights = np.append(middles, lag.max_ns), np.append(lag.counts, lag.overflow) / lag.total
    log_median = math.log(store_p99_ns) - LOG_LATENCY_SD * _NORMAL.inv_cdf(0.99)
    low, high = float(store_p99_ns), float(store_p99_ns) + float(lag.max_ns)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        z = (np.log(np.maximum(middle - values, 1e-9)) - log_median) / LOG_LATENCY_SD
        below = sum(_NORMAL.cdf(one) * weight for one, weight in zip(z.tolist(), weights.tolist(), strict=True))
        low, high = (middle, high) if below < 0.99 else (low, middle)
    return (low + high) / 2 - store_p99_ns
