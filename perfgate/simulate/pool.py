"""A pool of simulated pairs without seconds' noise: what sampling alone makes of a pair under a policy's slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.pair_effect import QUANTILES, group_numbers
from perfgate.gate.policy import Policy
from perfgate.simulate.requests import WORKERS, Arrivals, Stalls, arrivals, draw_pauses, responses, service_times
from perfgate.units import NS_PER_S

OPERATIONS = 3
CHUNK = 50

Floats = NDArray[np.float64]
Candidate = float | Stalls


@dataclass(frozen=True, slots=True)
class Pool:
    """members: float64 (pairs, operations, groups, couples), each couple's share of a group (rows add up to 1, or to 0
    for a group that is not there). ratios: for each candidate, given by the factor on its service times or by its stalls,
    float64 (pairs, operations, groups, 3), log ratios of p50, p95 and p99; NaN where there is no group."""

    members: Floats
    ratios: dict[Candidate, Floats]
    couples: int

    def __len__(self) -> int:
        return len(self.members)


def make_pool(
    policy: Policy, rate: float, candidates: Sequence[Candidate], pairs: int, random: np.random.Generator,
    tick: Callable[[float], None] = lambda share: None,
) -> Pool:  # fmt: skip
    """`rate`: requests a second and operation. tick: told the share that is done."""
    slice_s = policy.slice_ns / NS_PER_S
    couples = max(1, round(policy.measured_ns / policy.slice_ns))
    parts = []
    for start in range(0, pairs, CHUNK):
        tick(start / pairs)
        parts.append(
            _chunk(min(CHUNK, pairs - start), couples, slice_s, rate, policy.group_requests, candidates, random)
        )
    return Pool(
        members=np.concatenate([part.members for part in parts]),
        ratios={one: np.concatenate([part.ratios[one] for part in parts]) for one in candidates},
        couples=couples,
    )


def _chunk(
    pairs: int, couples: int, slice_s: float, rate: float, least: int, candidates: Sequence[Candidate],
    random: np.random.Generator,
) -> Pool:  # fmt: skip
    rows_each = OPERATIONS * WORKERS
    load = arrivals(pairs * couples * rows_each, rate / WORKERS, slice_s, random)
    shape = (pairs, couples, OPERATIONS, WORKERS)
    counts = load.counts.sum(axis=1).reshape(shape).sum(axis=3)
    groups = np.stack([[group_numbers(pair[:, [one]], least) for one in range(OPERATIONS)] for pair in counts])
    base, candidate = (service_times(load, random) for _ in range(2))
    pauses = [draw_pauses(pairs * couples, rows_each, slice_s, random) for _ in range(2)]
    of_base = _log_quantiles(load, responses(load, base, pauses[0]), groups, shape)
    ratios = {}
    for one in candidates:
        if isinstance(one, Stalls):
            response = responses(load, candidate, one.added_to(pauses[1], rows_each, slice_s, random))
        else:
            response = responses(load, candidate * one, pauses[1])
        ratios[one] = _log_quantiles(load, response, groups, shape) - of_base
    return Pool(_members(groups), ratios, couples)


def _members(groups: NDArray[np.int64]) -> Floats:
    """groups: (pairs, operations, couples). A couple counts in its group as much as any other."""
    couples = groups.shape[2]
    belongs = (groups[:, :, None, :] == np.arange(couples)[None, None, :, None]).astype(np.float64)
    members: Floats = belongs / np.maximum(1.0, belongs.sum(axis=3, keepdims=True))
    return members


def _log_quantiles(
    load: Arrivals, response: Floats, groups: NDArray[np.int64], shape: tuple[int, int, int, int]
) -> Floats:
    """log of the order statistics of each group, (pairs, operations, groups, 3): the gate's quantiles interpolate inside
    a histogram's bucket of a thousandth, so the order statistic is what they find."""
    pairs, couples, operations, _ = shape
    numbers = groups + couples * np.arange(pairs * operations).reshape(pairs, operations, 1)
    of_row = np.broadcast_to(numbers.transpose(0, 2, 1)[..., None], shape).reshape(-1, 1)
    group = np.broadcast_to(of_row, load.counts.shape)[load.counts]
    values = np.log(response[load.counts])
    low, high = float(values.min()) - 1e-9, float(values.max()) + 1e-9
    # One sort of group + place of the value in (0, 1) sorts every group by itself.
    values = np.sort(group + (values - low) / (high - low)) % 1.0 * (high - low) + low
    count = np.bincount(group, minlength=pairs * operations * couples)
    first = count.cumsum() - count
    result = np.full((len(count), len(QUANTILES)), np.nan)
    filled = count > 0
    for column, q in enumerate(QUANTILES):
        rank = np.maximum(1, np.ceil(q * count[filled] - 1e-9)).astype(np.int64)
        result[filled, column] = values[first[filled] + rank - 1]
    return result.reshape(pairs, operations, couples, len(QUANTILES))
