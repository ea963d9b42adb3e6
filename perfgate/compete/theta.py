"""Today's ratios: log of ours over theirs, metric by metric, as a mean over rounds with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.compete.frontiers import SEARCH, Frontier
from perfgate.compete.model import Measurement
from perfgate.compete.policy import STATISTICS, CompetePolicy
from perfgate.operation import Operation
from perfgate.stats.student import reach
from perfgate.stats.trimmed import Estimate, trimmed_estimate, trimmed_mean, trimmed_means

OURS = 0
THROUGHPUT = "throughput"
PRECISION_LEVEL = 0.05
LEAST_ROUNDS = 3
STOPPING = 0.5
"""Rounds end as soon as they seem precise, which is sooner where their spread looks small by chance: an interval of 95 % then
covers the truth in 91 to 96 % (simulated: normal rounds of sd 2 to 10 %, 6 to 20 of them). With half of the error it is 95 to
98 %."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Theta:
    """competitor: its number among the stores. operation: None for throughput. mean: log(ours / theirs) of a latency, or
    log(theirs / ours) of a rate, so that more is worse for us in any case. lower, upper: hold with `confidence` for today
    alone. ours, theirs: ns, or requests/s. judged: held against the stored sessions. per_round: in order, None where a
    round says nothing."""

    competitor: int
    operation: Operation | None
    statistic: str
    judged: bool
    mean: float
    se: float
    df: float
    lower: float
    upper: float
    rounds: int
    ours: float
    theirs: float
    half: float
    """Half of the interval that the precision is asked of."""
    per_round: tuple[float | None, ...] = ()

    @property
    def metric(self) -> str:
        """As `recall p99`; for throughput the statistic alone."""
        return f"{self.operation.value} {self.statistic}" if self.operation else self.statistic

    @property
    def word(self) -> str:
        """Who is ahead today: faster, slower, or that nobody can tell."""
        if self.upper < 0:
            return "faster"
        return "slower" if self.lower > 0 else "level"


def thetas(measured: Measurement, frontiers: Sequence[Frontier], policy: CompetePolicy) -> list[Theta]:
    """Every competitor, operation and quantile that both stores can be compared on, and throughput where it was searched."""
    found = []
    for competitor in range(1, len(measured.stores)):
        for operation in measured.operations:
            for statistic in STATISTICS:
                ours, theirs = (frontiers[one].slices(operation, statistic) for one in (OURS, competitor))
                judged = statistic == policy.primary
                found.append(_theta(competitor, operation, statistic, judged, ours, theirs, policy))
        if any(measured.at_top(one) for one in (OURS, competitor)):
            continue  # of "at least so much" there is no ratio
        ours, theirs = (_rates(measured, one)[:, None] for one in (OURS, competitor))
        found.append(_theta(competitor, None, THROUGHPUT, True, -ours, -theirs, policy))
    return [theta for theta in found if theta is not None]


def precise(found: Sequence[Theta], policy: CompetePolicy) -> bool:
    """Whether no judged ratio asks for more rounds. It looks at errors alone, never at who is ahead, and of throughput, which
    has rounds of its own, not at all."""
    asked = [theta for theta in found if theta.judged and theta.operation]
    return bool(asked) and all(theta.half <= policy.precision for theta in asked)


def unreached(measured: Measurement, frontiers: Sequence[Frontier]) -> list[int]:
    """Stores of which no usable value reaches the wanted recall."""
    if SEARCH not in measured.operations:
        return []
    return [number for number, one in enumerate(frontiers) if one.at is None]


def _rates(measured: Measurement, store: int) -> Floats:
    """Log rates of each round, NaN where none was found."""
    rates = np.full(max((turn.round for turn in measured.turns), default=-1) + 1, np.nan)
    for turn in measured.turns:
        if turn.store == store and turn.rate:
            rates[turn.round] = math.log(turn.rate)
    return rates


def _theta(
    competitor: int, operation: Operation | None, statistic: str, judged: bool, ours: Floats, theirs: Floats,
    policy: CompetePolicy,
) -> Theta | None:  # fmt: skip
    """ours, theirs: float64 (rounds, groups of slices). A round's ratio is the trimmed mean over its groups."""
    rounds, groups = (min(one.shape[axis] for one in (ours, theirs)) for axis in (0, 1))
    ours, theirs = ours[:rounds, :groups], theirs[:rounds, :groups]
    ratio = trimmed_means(ours - theirs, policy.slice_trim)
    ours, theirs = (trimmed_means(one, policy.slice_trim) for one in (ours, theirs))
    there = np.isfinite(ratio)
    if there.sum() < LEAST_ROUNDS:
        return None
    found: Estimate = trimmed_estimate(ratio[there], policy.trim)
    open_ended = STOPPING if policy.min_rounds < policy.max_rounds else 1.0
    far = reach(open_ended * (1 - policy.confidence) / 2, found)
    sign = 1 if operation else -1
    our_mean, their_mean = (math.exp(sign * trimmed_mean(part[there], policy.trim)) for part in (ours, theirs))
    return Theta(
        competitor, operation, statistic, judged, found.mean, found.se, found.df, found.mean - far, found.mean + far,
        int(there.sum()), our_mean, their_mean, reach(PRECISION_LEVEL, found),
        tuple(float(one) if math.isfinite(one) else None for one in ratio),
    )  # fmt: skip
