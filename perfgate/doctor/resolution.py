"""Which regressions a gate would see on this host: the noise that was measured, put under stores of which all is known.

The echo was driven as a pair whose two arms are one process. What each of its replies took beyond the fastest is what
host and generator added. These additions, slice by slice as they were recorded, are laid upon the response times of an
imagined store (lognormal, sd of the log 0.6, half of the variance the query's and the same for both builds, as in the
simulator), and the gate's own `pair_effect` makes a pair's log ratios of them. Repeated with other draws, other couples
of the recording (bootstrap) and a toss for which arm is which, that gives the standard deviation of a pair; with restarts
that differ by 1 % (outlook's quiet host) the standard error over pairs; and `detectable` what is blocked with 80 % power.

Left out: what the store's own processes differ by from start to start beyond that 1 %, the store's queues, and that a
host which takes time from an echo takes more from a store that uses more of it. The figures are the best case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.latency import levels
from perfgate.gate.outlook import LOG_LATENCY_SD, POWER, RESTART_SD
from perfgate.gate.pair_effect import STATISTICS, pair_effect
from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.outcome import OUTCOMES
from perfgate.pair import Couple, Pair
from perfgate.segment import Arm
from perfgate.stats.student import detectable
from perfgate.stats.trimmed import Estimate

REPLICATES = 60
"""Pairs drawn: their standard deviation is known to 9 %."""
LEAST_COUPLES = 4
PART_SD = LOG_LATENCY_SD / math.sqrt(2)
Z99 = NormalDist().inv_cdf(0.99)
TRIM_COST = 0.6
"""Of the trimmed share, in efficiency: as in `perfgate.gate.outlook`."""

Additions = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a gate sees of one operation of a store whose p99 is store_p99_ns: by statistic the least change (a fraction)
    that is blocked with 80 % power, None where nothing is. here: on this host; silent: on one that adds nothing; typical:
    here, with restarts that differ by 3 %. noise: sd of one pair's log ratio, here, without restarts."""

    policy: str
    margin: float
    primary: str
    store_p99_ns: int
    operation: Operation
    requests: int
    here: dict[str, float | None]
    silent: dict[str, float | None]
    typical: dict[str, float | None]
    noise: dict[str, float]


def sight(pair: Pair, policy: Policy, operation: Operation, operations: int, store_p99_ns: int) -> Sight | None:
    """None where the recording holds too little: fewer than four usable couples with replies of the operation.

    operations: how many the scenario has; the error is shared by them.
    """
    couples = [couple for couple in pair.usable if all(_completed(couple.arm(arm), operation) for arm in Arm)]
    if len(couples) < LEAST_COUPLES:
        return None
    added = [
        tuple(additions(couple.arm(arm), operation, _floor(couples, operation)) for arm in Arm) for couple in couples
    ]
    nothing = [tuple(np.zeros_like(one) for one in arms) for arms in added]
    slice_ns = couples[0].base.end_ns - couples[0].base.start_ns
    count = max(1, round(policy.measured_ns / slice_ns))
    draws = _Draws(policy, operation, store_p99_ns, count)
    noisy, silent = draws.noise(added), draws.noise(nothing)
    return Sight(
        policy=policy.name, margin=policy.margin, primary=policy.primary, store_p99_ns=store_p99_ns,
        operation=operation, requests=round(count * float(np.mean([len(one) for arms in added for one in arms]))),
        here=_seen(noisy, policy, operations, RESTART_SD["quiet"]),
        silent=_seen(silent, policy, operations, RESTART_SD["quiet"]),
        typical=_seen(noisy, policy, operations, RESTART_SD["typical"]),
        noise=dict(zip(STATISTICS, noisy, strict=True)),
    )  # fmt: skip


def additions(interval: Interval, operation: Operation, floor_ns: float) -> Additions:
    """What each reply of a slice took beyond the floor, in ns, float64 (replies,): buckets count as their middles."""
    response = interval.operations[operation].response
    lower, width = (part(response.buckets) for part in (response.geometry.lower_of, response.geometry.width_of))
    values = np.repeat(lower + width / 2, response.counts)
    if response.overflow:
        values = np.append(values, np.full(response.overflow, float(response.max_ns)))
    return np.maximum(values - floor_ns, 0.0)


class _Draws:
    """Pairs of one imagined store."""

    def __init__(self, policy: Policy, operation: Operation, store_p99_ns: int, couples: int) -> None:
        self._policy, self._operation, self._couples = policy, operation, couples
        self._log_median = math.log(store_p99_ns) - LOG_LATENCY_SD * Z99

    def noise(self, added: list[tuple[Additions, ...]]) -> tuple[float, ...]:
        """The standard deviation of a pair's log ratios of p50, p95 and p99. The same seed for every call: differences
        between two recordings are not chance."""
        random = np.random.default_rng(1)
        rows = [self._log_ratios(added, random) for _ in range(REPLICATES)]
        return tuple(np.sqrt(np.mean(np.square(rows), axis=0)).tolist())

    def _log_ratios(self, added: list[tuple[Additions, ...]], random: np.random.Generator) -> tuple[float, ...]:
        chosen = random.integers(0, len(added), self._couples)
        couples = tuple(self._couple(number, added[which], random) for number, which in enumerate(chosen.tolist()))
        nothing = dict.fromkeys(Arm, 0)
        effect = pair_effect(
            Pair(0, couples, {}, nothing, nothing, dict.fromkeys(Arm, ())), self._operation, self._policy
        )
        assert effect is not None, "each couple has replies"
        return effect.log_ratios

    def _couple(self, number: int, added: tuple[Additions, ...], random: np.random.Generator) -> Couple:
        first, second = added if random.random() < 0.5 else added[::-1]
        query = random.standard_normal(max(len(first), len(second))) * PART_SD
        base, candidate = (self._slice(query[: len(one)], one, random) for one in (first, second))
        return Couple(number, Arm.BASE, base, candidate)

    def _slice(self, query: Additions, added: Additions, random: np.random.Generator) -> Interval:
        store = np.exp(self._log_median + query + random.standard_normal(len(query)) * PART_SD)
        response = Histogram.of((store + added).astype(np.int64))
        empty = Histogram.empty()
        outcomes = (len(query), *[0] * (len(OUTCOMES) - 1))
        part = OperationInterval(response, empty, outcomes)
        return Interval(0, 0, 1, len(query), len(query), 0, {self._operation: part}, empty, empty)


def _seen(noise: tuple[float, ...], policy: Policy, operations: int, restart_sd: float) -> dict[str, float | None]:
    return {
        statistic: _least_seen(one, statistic, policy, operations, restart_sd)
        for statistic, one in zip(STATISTICS, noise, strict=True)
    }


def _least_seen(noise: float, statistic: str, policy: Policy, operations: int, restart_sd: float) -> float | None:
    """At the last look, as the gate's reports say it: see `perfgate.gate.latency`."""
    pairs = policy.looks[-1]
    own = policy.primary_share if statistic == policy.primary else (1 - policy.primary_share) / (len(STATISTICS) - 1)
    error = math.sqrt((noise**2 + 2 * restart_sd**2) / pairs / (1 - TRIM_COST * policy.trim))
    freedom = pairs - 2 * math.floor(policy.trim * pairs) - 1
    level = levels(policy, own / operations, pairs).final_block
    least = detectable(Estimate(0.0, error, freedom), level, math.log1p(policy.margin), POWER)
    return math.expm1(least) if least is not None and math.isfinite(least) and least < 700 else None


def _completed(interval: Interval, operation: Operation) -> int:
    part = interval.operations.get(operation)
    return part.completed if part else 0


def _floor(couples: list[Couple], operation: Operation) -> float:
    """The fastest reply of all."""
    return float(min(couple.arm(arm).operations[operation].response.min_ns for couple in couples for arm in Arm))


def hardest_operation(pair: Pair) -> Operation | None:
    """The one with the fewest replies: its quantiles are known least. None without replies."""
    counts: dict[Operation, int] = {}
    for couple in pair.usable:
        for arm in Arm:
            for operation, part in couple.arm(arm).operations.items():
                counts[operation] = counts.get(operation, 0) + part.completed
    counts = {operation: count for operation, count in counts.items() if count}
    return min(counts, key=lambda operation: counts[operation]) if counts else None
