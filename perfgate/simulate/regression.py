"""By how much service times must grow for the true p99 of the response to grow by so much."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from perfgate.simulate.requests import arrivals, draw_pauses, responses, service_times

SLICES = 12_000
SEED = 20_231


@lru_cache(maxsize=64)
def service_factor(change: float, rate: float) -> float:
    """The factor on all service times that moves the true p99 by `change` (0.1: +10 %), at `rate` requests a second and
    worker. Queues lengthen with it, so it is the smaller one. By bisection on some half a million requests whose random
    numbers stay the same."""
    if change == 0:
        return 1.0
    random = np.random.default_rng(SEED)
    slice_s = max(0.25, 50 / rate)
    load = arrivals(SLICES, rate, slice_s, random)
    service, pauses = service_times(load, random), draw_pauses(SLICES, 1, slice_s, random)

    def p99(factor: float) -> float:
        return float(np.quantile(responses(load, service * factor, pauses)[load.counts], 0.99))

    wanted = (1 + change) * p99(1.0)
    low, high = sorted((1.0, 1 + change))
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if p99(middle) < wanted else (low, middle)
    return (low + high) / 2
