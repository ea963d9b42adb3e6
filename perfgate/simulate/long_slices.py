"""Slices of more than a second: several levels a slice, so quantiles are taken of requests that each feel their own.

Short slices get one level each, which is added to the logs of their quantiles (`rates.make_tables`). In a long one a burst
of a second slows a part of the requests, and the tail of the whole is the tail of that part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.pair_effect import QUANTILES
from perfgate.gate.policy import Policy
from perfgate.simulate.levels import Levels
from perfgate.simulate.pool import OPERATIONS
from perfgate.simulate.profile import Profile
from perfgate.simulate.requests import WORKERS, arrivals, draw_pauses, responses, service_times
from perfgate.simulate.truth import Truth
from perfgate.stats.trimmed import trimmed_means
from perfgate.units import NS_PER_S

PIECE_S = 0.25
"""Of a slice, within which the level stays the same."""
LONG_S = 1.0
PAIRS = 150
CHUNK = 10
AT_MEDIAN, AT_P99 = -np.log(0.5), -np.log(0.01)

Floats = NDArray[np.float64]
Narrow = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LongPool:
    """Log response times without seconds' noise, float32 (pairs, operations, groups, width), NaN beyond the last: base's,
    and the candidate's for each factor on its service times. place: int16 of the same shape, which piece of the group a
    request is in; group_pieces of them make a group: a slice, or the whole pair where a slice holds too few requests."""

    base: Narrow
    candidate: Mapping[float, Narrow]
    place: NDArray[np.int16]
    couples: int
    pieces: int

    def __len__(self) -> int:
        return len(self.base)


def is_long(policy: Policy) -> bool:
    """Whether one level a slice would be too few."""
    return policy.slice_ns > LONG_S * NS_PER_S


def make_long_pool(
    policy: Policy, rate: float, factors: Sequence[float], pairs: int, random: np.random.Generator,
    tick: Callable[[float], None] = lambda share: None,
) -> LongPool:  # fmt: skip
    """`rate`: requests a second and operation. Pieces start with empty queues, as the short slices do."""
    slice_s = policy.slice_ns / NS_PER_S
    couples, pieces = max(1, round(policy.measured_ns / policy.slice_ns)), max(1, round(slice_s / PIECE_S))
    groups = 1 if policy.group_requests > rate * slice_s else couples
    parts = []
    for start in range(0, pairs, CHUNK):
        tick(start / pairs)
        shape = (min(CHUNK, pairs - start), couples * pieces, OPERATIONS, WORKERS)
        parts.append(_chunk(shape, groups, slice_s / pieces, rate, factors, random))
    width = max(part[0].shape[-1] for part in parts)
    base = np.concatenate([_widen(part[0], width) for part in parts])
    place = np.concatenate([_widen(part[1], width) for part in parts])
    candidate = {factor: np.concatenate([_widen(part[2][factor], width) for part in parts]) for factor in factors}
    return LongPool(base, candidate, place.astype(np.int16), couples, pieces)


def long_tables(
    levels: Levels, profile: Profile, truth: Truth, policy: Policy, pool: LongPool, factor: float,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """As `rates.make_tables`: effects of pairs (runs, pairs, operations, 3) and log medians of processes (runs, pairs, 1,
    arms)."""
    runs, pairs = levels.level.shape[:2]
    groups = pool.base.shape[2]
    shape = (runs, pairs, groups, -1, 2)
    level, burst = (part.reshape(shape).astype(np.float32) for part in (levels.level, levels.burst))
    tables, medians = np.empty((runs, pairs, OPERATIONS, len(QUANTILES))), np.empty((runs, pairs, 1, 2))
    for run in range(runs):
        drawn = random.permutation(len(pool))[:pairs]
        swapped = random.integers(0, 2, pairs) == 1
        logs = np.empty((2, pairs, OPERATIONS, groups, len(QUANTILES)))
        for operation in range(OPERATIONS):
            changed = truth.everywhere or operation == OPERATIONS - 1
            for arm in range(2):
                values = pool.base[drawn, operation], pool.candidate[1.0][drawn, operation]
                own = np.where((swapped ^ (arm == 1))[:, None, None], values[1], values[0])
                if arm == 1 and changed and factor != 1.0:
                    own = own + (pool.candidate[factor] - pool.candidate[1.0])[drawn, operation]
                place = pool.place[drawn, operation].astype(np.int64)
                felt = own + np.take_along_axis(level[run, ..., arm], place, axis=-1)
                felt += _sensitivity(profile, own) * np.take_along_axis(burst[run, ..., arm], place, axis=-1)
                logs[arm, :, operation] = _quantiles(felt)
        effects = np.moveaxis(logs[1] - logs[0], 2, -1)
        tables[run] = trimmed_means(effects, policy.couple_trim)
        medians[run, :, 0] = logs[:, :, 0, :, 0].mean(axis=2).T
    return tables, medians


def _chunk(
    shape: tuple[int, int, int, int], groups: int, piece_s: float, rate: float, factors: Sequence[float],
    random: np.random.Generator,
) -> tuple[Narrow, NDArray[np.int64], dict[float, Narrow]]:  # fmt: skip
    pairs, steps, operations, workers = shape
    load = arrivals(pairs * steps * operations * workers, rate / workers, piece_s, random)
    base, candidate = (service_times(load, random) for _ in range(2))
    pauses = [draw_pauses(pairs * steps, operations * workers, piece_s, random) for _ in range(2)]
    counts = load.counts.reshape(*shape, -1)
    order = _front(counts, groups)
    place = np.broadcast_to((np.arange(steps) % (steps // groups))[None, :, None, None, None], counts.shape)

    def packed(service: Floats, of: Floats) -> Narrow:
        logs = np.where(load.counts, np.log(responses(load, service, of)), np.nan).reshape(counts.shape)
        return np.take_along_axis(_grouped(logs, groups), order, axis=-1).astype(np.float32)

    by_factor = {factor: packed(candidate * factor, pauses[1]) for factor in factors}
    return packed(base, pauses[0]), np.take_along_axis(_grouped(place, groups), order, axis=-1), by_factor


def _grouped(values: NDArray[Any], groups: int) -> NDArray[Any]:
    """(pairs, steps, operations, workers, columns) to (pairs, operations, groups, all of a group)."""
    pairs, steps, operations = values.shape[:3]
    split = values.reshape(pairs, groups, steps // groups, operations, *values.shape[3:])
    return split.transpose(0, 3, 1, 2, 4, 5).reshape(pairs, operations, groups, -1)


def _front(counts: NDArray[np.bool_], groups: int) -> NDArray[np.int64]:
    """Where the requests that count are, and as many others as the fullest group needs."""
    held = _grouped(counts, groups)
    most = int(held.sum(axis=-1).max())
    return np.argsort(~held.astype(np.bool_), axis=-1, kind="stable")[..., :most]


def _widen(values: NDArray[Any], width: int) -> NDArray[Any]:
    fill = np.nan if values.dtype.kind == "f" else 0
    more = width - values.shape[-1]
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, more)], constant_values=fill)


def _sensitivity(profile: Profile, logs: Narrow) -> Narrow | float:
    """How much each request feels of a burst: as the profile says at the median, all of it at the p99, on a line in the
    log of how many are slower; where that is flat, everybody all of it."""
    if profile.bursts is None or profile.bursts.p50 == 1.0:
        return 1.0
    grid = np.nanquantile(
        logs[: max(1, len(logs) // 6)], np.append(np.linspace(0.0, 0.98, 50), (0.99, 0.995, 0.999, 1.0))
    )
    slower = np.append(1 - np.linspace(0.0, 0.98, 50), (0.01, 0.005, 0.001, 1e-4))
    place = (-np.log(slower) - AT_MEDIAN) / (AT_P99 - AT_MEDIAN)
    felt = np.clip(profile.bursts.p50 + (1 - profile.bursts.p50) * place, 0.0, 1.2)
    of_each: Narrow = np.interp(logs, grid, felt).astype(np.float32)
    return of_each


def _quantiles(logs: Narrow) -> Floats:
    """Order statistics along the last axis, without its NaNs, (..., 3)."""
    ordered = np.sort(logs, axis=-1)  # NaN comes last
    count = (~np.isnan(ordered)).sum(axis=-1)
    ranks = [np.maximum(1, np.ceil(q * count - 1e-9)).astype(np.int64) - 1 for q in QUANTILES]
    return np.stack([np.take_along_axis(ordered, rank[..., None], axis=-1)[..., 0] for rank in ranks], axis=-1)
