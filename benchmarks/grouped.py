"""Groups of requests as the gate joins them, from recordings or from the noise model, and what estimators make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.recorded import NAMES, Recording
from perfgate.gate.pair_effect import group_numbers
from perfgate.simulate.pool import OPERATIONS
from perfgate.simulate.requests import WORKERS, arrivals, draw_pauses, responses, service_times
from perfgate.stats.quantiles import paired_tail_ratio, rank_weights, tail_quantile

MAX_LAG_US = 1_000.0
"""The gate drops a couple in which the generator's p99 lag was more than that."""

Floats = NDArray[np.float64]
Change = Callable[[Floats, np.random.Generator], Floats]


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring couples of one operation in one pair. logs: of response times, float64 (2 arms, requests), the same
    requests in both. couples: which. known: differences candidate - base of what is known beside, float64 (covariates,)."""

    logs: Floats
    couples: NDArray[np.int64]
    known: Floats


Groups = list[list[list[Group]]]
"""By pair and operation."""


@dataclass(frozen=True, slots=True)
class Linear:
    """An estimator that weighs order statistics. tail: by how much it moves q: the middle of the tail beyond q is
    q + (1-q) tail."""

    kind: str
    width: float = 1.0
    tail: float = 0.0

    def weights(self, count: int, q: float) -> Floats:
        return rank_weights(self.kind, count, q + (1 - q) * self.tail, self.width)


LINEAR: Mapping[str, Linear] = {
    "plain": Linear("plain"),
    "Harrell-Davis": Linear("harrell_davis"),
    "kernel, h = 0.5": Linear("kernel", 0.5),
    "kernel, h = 1": Linear("kernel", 1.0),
    "kernel, h = 2": Linear("kernel", 2.0),
    "band, q ± (1-q)/2": Linear("band", 0.5),
    "band, q ± (1-q)": Linear("band", 1.0),
    "mean of logs beyond q": Linear("band", 1.0, 0.5),
    "mean of logs beyond 1-2.5(1-q)": Linear("band", 1.0, -0.25),
    "mean of logs beyond 1-5(1-q)": Linear("band", 1.0, -1.5),
}
PAIRED: Mapping[str, tuple[float, float]] = {
    "request by request, q ± (1-q)": (0.0, 1.0),
    "request by request, beyond 1-5(1-q)": (-1.5, 1.0),
}
"""tail and width, as above."""
PARETO: Mapping[str, float] = {"Pareto tail, 10 %": 0.1, "Pareto tail, 20 %": 0.2}


def of_recording(recording: Recording, least: int, change: Change | None = None, seed: int = 1) -> Groups:
    """`change`: what becomes of the candidate's log response times, each given with its operation's own."""
    random = np.random.default_rng(seed)
    found: Groups = []
    for pair, (couple, operation, times) in enumerate(recording.by_pair()):
        usable = (recording.lag_us[pair, :, :, 1] <= MAX_LAG_US).all(axis=1)
        known = _covariates(recording, pair)
        logs = np.log(times)
        rows = []
        for code in range(len(NAMES)):
            mine = (operation == code) & usable[couple] & ~np.isnan(logs).any(axis=0)
            own = logs[:, mine].copy()
            if change is not None:
                own[1] = change(own[1], random)
            rows.append(_joined(own, couple[mine], recording.couples, least, known))
        found.append(rows)
    return found


def _covariates(recording: Recording, pair: int) -> Floats:
    """Candidate - base of the log of the mean lag, of steal, and, where they were asked, of the idle store's answer and of
    waking up, float64 (couples, 2 or 4)."""
    lag = np.log(np.maximum(recording.lag_us[pair, :, :, 0].astype(np.float64), 1.0))
    steal = recording.steal[pair].astype(np.float64)
    own = np.stack([lag[:, 1] - lag[:, 0], steal[:, 1] - steal[:, 0]], axis=1)
    probe = recording.probe[pair].astype(np.float64)
    return own if np.isnan(probe).all() else np.hstack([own, probe[:, 1] - probe[:, 0]])


def simulated(
    pairs: int, rate: float, slice_s: float, measured_s: float, least: int, changes: Sequence[Change], seed: int = 1
) -> list[Groups]:  # fmt: skip
    """The noise model's requests, for each change of the candidate's service times in s; the rest is the same in all. rate:
    requests a second and operation."""
    random = np.random.default_rng(seed)
    couples = round(measured_s / slice_s)
    found: list[Groups] = [[] for _ in changes]
    rows = OPERATIONS * WORKERS
    of_row = np.broadcast_to(np.arange(couples)[:, None, None], (couples, OPERATIONS, WORKERS)).reshape(-1)
    operation = np.broadcast_to(np.arange(OPERATIONS)[None, :, None], (couples, OPERATIONS, WORKERS)).reshape(-1)
    for pair in range(pairs):
        load = arrivals(couples * rows, rate / WORKERS, slice_s, random)
        base, candidate = (service_times(load, random) for _ in range(2))
        pauses = [draw_pauses(couples, rows, slice_s, random) for _ in range(2)]
        first = responses(load, base, pauses[0])
        for number, change in enumerate(changes):
            second = responses(load, change(candidate, np.random.default_rng([seed, pair])), pauses[1])
            both = np.log(np.stack([first, second]))
            own = []
            for one in range(OPERATIONS):
                of_it = operation == one
                counts = load.counts[of_it]
                couple = np.broadcast_to(of_row[of_it][:, None], counts.shape)[counts]
                own.append(_joined(both[:, of_it][:, counts], couple, couples, least, np.zeros((couples, 0))))
            found[number].append(own)
    return found


def _joined(logs: Floats, couple: NDArray[np.int64], couples: int, least: int, known: Floats) -> list[Group]:
    counts = np.bincount(couple, minlength=couples)
    filled = np.flatnonzero(counts)
    numbers = np.full(couples, -1)
    numbers[filled] = group_numbers(counts[filled][:, None], least)
    of_request = numbers[couple]
    groups = []
    for number in range(int(numbers.max()) + 1):
        members = np.flatnonzero(numbers == number)
        groups.append(Group(logs[:, of_request == number], members, known[members].mean(axis=0)))
    return groups


def estimates(groups: Groups, q: float) -> dict[str, Floats]:
    """Log ratio candidate / base of every group by every estimator, float64 (pairs, operations, most groups), NaN where
    there is no group."""
    most = max(len(own) for pair in groups for own in pair)
    shape = (len(groups), len(groups[0]), most)
    found = {name: np.full(shape, np.nan) for name in (*LINEAR, *PARETO, *PAIRED)}
    for pair, operations in enumerate(groups):
        for operation, own in enumerate(operations):
            for number, group in enumerate(own):
                place = (pair, operation, number)
                ordered = np.sort(group.logs, axis=1)
                base, candidate = ordered @ _all_weights(ordered.shape[1], q)
                for name, value in zip(LINEAR, (candidate - base).tolist(), strict=True):
                    found[name][place] = value
                times = np.exp(ordered)
                for name, share in PARETO.items():
                    if 1 - q < share and group.logs.shape[1] * share >= 5:
                        logs = [np.log(tail_quantile(arm, q, share)) for arm in times]
                        found[name][place] = logs[1] - logs[0]
                for name, (tail, width) in PAIRED.items():
                    found[name][place] = paired_tail_ratio(*group.logs, q + (1 - q) * tail, width)
    return found


def medians(groups: Groups) -> Floats:
    """Log ratio of the plain p50 of every group, as `estimates`."""
    most = max(len(own) for pair in groups for own in pair)
    found = np.full((len(groups), len(groups[0]), most), np.nan)
    for pair, operations in enumerate(groups):
        for operation, own in enumerate(operations):
            for number, group in enumerate(own):
                base, candidate = np.median(group.logs, axis=1)
                found[pair, operation, number] = candidate - base
    return found


@lru_cache(maxsize=4096)
def _all_weights(count: int, q: float) -> Floats:
    return np.stack([linear.weights(count, q) for linear in LINEAR.values()], axis=1)


def known_of(groups: Groups) -> Floats:
    """The covariates of every group, float64 (pairs, operations, most groups, covariates)."""
    most = max(len(own) for pair in groups for own in pair)
    many = len(groups[0][0][0].known)
    found = np.full((len(groups), len(groups[0]), most, many), np.nan)
    for pair, operations in enumerate(groups):
        for operation, own in enumerate(operations):
            for number, group in enumerate(own):
                found[pair, operation, number] = group.known
    return found


def pooled_shift(same: Groups, changed: Groups, q: float) -> float:
    """True change of the candidate's log quantile, all its requests of all pairs together; mean over operations."""
    return float(np.mean([_pooled(changed, one, q) - _pooled(same, one, q) for one in range(len(same[0]))]))


def _pooled(groups: Groups, operation: int, q: float) -> float:
    return float(np.quantile(np.concatenate([group.logs[1] for pair in groups for group in pair[operation]]), q))
