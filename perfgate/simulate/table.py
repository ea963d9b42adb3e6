"""Every profile under every truth: the operating characteristics of a policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from perfgate.gate.policy import Policy
from perfgate.simulate.cells import Cell, run_cells
from perfgate.simulate.long_slices import PAIRS as LONG_PAIRS
from perfgate.simulate.long_slices import LongPool, is_long, make_long_pool
from perfgate.simulate.pool import Pool, make_pool
from perfgate.simulate.profile import Profile
from perfgate.simulate.rates import Rates
from perfgate.simulate.regression import service_factor
from perfgate.simulate.requests import WORKERS
from perfgate.simulate.truth import Truth

POOL = 1_000
"""Pairs whose sampling is simulated request by request; each gate draws its pairs among them, without repetition."""


def operating_characteristics(
    policy: Policy, profiles: Sequence[Profile], truths: Sequence[Truth], runs: int, seed: int, rate: float,
    tick: Callable[[str, float], None] = lambda what, share: None, pool_pairs: int | None = None, processes: int = 1,
) -> list[Rates]:  # fmt: skip
    """One Rates a profile and truth, in that order; a cell's random numbers depend on its names and the seed alone, so
    it comes out the same however many others are asked for and on however many `processes`. tick: told what is being
    done and the share done.

    Raises ValueError for a policy with more pairs than the pool.
    """
    make = make_long_pool if is_long(policy) else make_pool
    pool_pairs = pool_pairs or (LONG_PAIRS if is_long(policy) else POOL)
    if policy.looks[-1] > pool_pairs:
        raise ValueError(f"{policy.looks[-1]} pairs cannot be drawn from a pool of {pool_pairs}")
    factors = {truth.name: service_factor(truth.change, rate / WORKERS) for truth in truths}
    wanted = sorted({1.0, *factors.values()})
    random = np.random.default_rng([seed, 0])
    pool: Pool | LongPool = make(policy, rate, wanted, pool_pairs, random, lambda share: tick("requests", share))
    cells = [Cell(profile, truth, factors[truth.name], runs, seed) for profile in profiles for truth in truths]
    return run_cells(cells, policy, pool, processes, tick)


def to_json(rates: Sequence[Rates], policy: Policy, seed: int, rate: float) -> dict[str, Any]:
    """JSON-ready."""
    return {
        "schema_version": 1,
        "policy": policy.name,
        "mode": policy.mode,
        "margin": policy.margin,
        "looks": list(policy.looks),
        "seed": seed,
        "requests_per_second_and_operation": rate,
        "cells": [
            {
                "profile": one.profile, "truth": one.truth, "runs": one.runs, "block": one.block, "pass": one.passed,
                "inconclusive": one.inconclusive, "mean_pairs": one.pairs, "called_bimodal": one.bimodal,
                "block_bounds_95": list(one.block_bounds), "sd_of_pairs": one.plain_sd, "robust_sd_of_pairs": one.robust_sd,
            }
            for one in rates
        ],
    }  # fmt: skip


def to_text(rates: Sequence[Rates], truths: Sequence[Truth]) -> str:
    """BLOCK / PASS / INCONCLUSIVE in percent, a row a truth, a column a profile."""
    profiles = list(dict.fromkeys(one.profile for one in rates))
    cells = {(one.truth, one.profile): _cell(one) for one in rates}
    rows = [["truth", *profiles]]
    rows += [[truth.label, *(cells[truth.name, profile] for profile in profiles)] for truth in truths]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _cell(one: Rates) -> str:
    shares = (100 * count / one.runs for count in (one.block, one.passed, one.inconclusive))
    return " / ".join(_percent(share) for share in shares) + f"  ({one.pairs:.0f} pairs)"


def _percent(share: float) -> str:
    return f"{share:.1f}" if 0 < share < 10 or 90 < share < 100 else f"{share:.0f}"
