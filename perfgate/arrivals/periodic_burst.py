"""Bursts that come back: each period starts with the burst, then the base rate until the period ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfgate.arrivals.process import Floats
from perfgate.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class PeriodicBurst:
    """Λ of a rate that is `burst_rate` in the first `burst_duration_sec` of each `burst_period_sec`, else `base_rate`.

    base_rate may be 0 (nothing between bursts); 0 < duration <= period.
    """

    base_rate: float
    burst_rate: float
    burst_duration_sec: float
    burst_period_sec: float

    def expected(self, time_ns: Floats) -> Floats:
        seconds = time_ns / NS_PER_S
        cycle = np.floor(seconds / self.burst_period_sec)
        inside = seconds - cycle * self.burst_period_sec
        burst = np.minimum(inside, self.burst_duration_sec)
        return cycle * self._per_cycle + burst * self.burst_rate + (inside - burst) * self.base_rate

    def when(self, expected: Floats) -> Floats:
        cycle = np.floor(expected / self._per_cycle)
        inside = expected - cycle * self._per_cycle
        in_burst = np.minimum(inside / self.burst_rate, self.burst_duration_sec)
        rest = np.maximum(inside - self._per_burst, 0.0)
        after = rest / self.base_rate if self.base_rate > 0 else np.zeros_like(rest)
        return (cycle * self.burst_period_sec + np.minimum(in_burst + after, self.burst_period_sec)) * NS_PER_S

    @property
    def _per_burst(self) -> float:
        return self.burst_rate * self.burst_duration_sec

    @property
    def _per_cycle(self) -> float:
        return self._per_burst + self.base_rate * (self.burst_period_sec - self.burst_duration_sec)
