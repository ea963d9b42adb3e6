#!/usr/bin/env python3
"""How much of a change of the true quantile groups of requests show: `.venv/bin/python -m benchmarks.group_keeps`.

Where queues lengthen, a slower build loses most in crowded moments, and these are few in a small group. So the mean over
groups of the log ratio understates the change of the quantile of all requests, the more the smaller the groups are. PASS
allows for it (`group_keeps` of the policy). The requests are the simulator's; the true change is that of one long sample.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.pair_effect import QUANTILES, STATISTICS
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import POLICIES
from perfgate.simulate.pool import make_pool
from perfgate.simulate.regression import service_factor
from perfgate.simulate.requests import WORKERS, arrivals, draw_pauses, responses, service_times
from perfgate.stats.trimmed import trimmed_means
from perfgate.units import NS_PER_S

ROWS = 40_000
SIZES = (60, 100, 200, 400, 800)
RATES = {"standard": 400.0, "quick": 330.0}

Floats = NDArray[np.float64]


def shown(policy: Policy, rate: float, change: float, pairs: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """What pairs say of a candidate whose true p99 moved by `change`: the mean log ratio, and the standard deviation of a
    pair's where nothing moved, float64 (3,) each, by QUANTILES."""
    factor = service_factor(change, rate / WORKERS)
    pool = make_pool(policy, rate, [1.0, factor], pairs, random)
    same, moved = (trimmed_means(np.moveaxis(pool.ratios[one], 2, -1), policy.couple_trim) for one in (1.0, factor))
    return np.nanmean(moved - same, axis=(0, 1)), np.nanstd(same, axis=(0, 1))


def truly(rate: float, slice_s: float, change: float, random: np.random.Generator) -> Floats:
    """What the quantiles of all requests together moved by, as logs, float64 (3,)."""
    load = arrivals(ROWS, rate / WORKERS, slice_s, random)
    service, pauses = service_times(load, random), draw_pauses(ROWS, 1, slice_s, random)
    factor = service_factor(change, rate / WORKERS)
    of_base, of_candidate = (
        np.quantile(responses(load, service * one, pauses)[load.counts], QUANTILES) for one in (1.0, factor)
    )
    ratios: Floats = np.log(of_candidate) - np.log(of_base)
    return ratios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for name, rate in RATES.items():
        policy = POLICIES[name]
        column = STATISTICS.index(policy.primary)
        print(f"{name}: {policy.primary}, of +5 and +10 %; sd of a pair")
        true = [
            truly(rate, policy.slice_ns / NS_PER_S, change, np.random.default_rng(arguments.seed))
            for change in (0.05, 0.1)
        ]
        for size in SIZES:
            sized = dataclasses.replace(policy, group_requests=size)
            found = [
                shown(sized, rate, change, arguments.pairs, np.random.default_rng([arguments.seed, size]))
                for change in (0.05, 0.1)
            ]
            kept = [seen[column] / one[column] for (seen, _), one in zip(found, true, strict=True)]
            print(f"  groups of {size:3d}: {kept[0]:.3f} {kept[1]:.3f}; {found[0][1][column]:.4f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
