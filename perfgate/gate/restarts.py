"""Stores that start slowly: few processes a build, several pairs each. How many, and what a calibration must know of it.

The rule and its reasons: docs/statistics.md, "Slow starts".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perfgate.gate.effect import Effect
from perfgate.gate.pair_effect import STATISTICS
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.stats.couple_spread import CoupleSpread
from perfgate.stats.starts import RestartSpread, nest, spread_p, starts_estimate
from perfgate.stats.trimmed import Estimate

CALIBRATED_STARTS = 20
"""Fresh processes that a calibration must have seen before its spread may be borrowed."""
UNFIT = 0.001
"""p over all operations under which processes differ more than the calibration knows: it does not hold any more."""
CALIBRATE = "run `perfgate calibrate` for this scenario and target on this host, over at least 20 starts"


@dataclass(frozen=True, slots=True)
class Restarts:
    """What a calibration of this host and target knows of starts. starts: fresh processes it saw; of: by operation and
    statistic (p50, p95, p99), how much one process's log level varies from start to start. together: by statistic, how
    couples of processes differ in the mean over operations; empty where an older calibration did not ask."""

    starts: int
    of: Mapping[tuple[Operation, str], RestartSpread]
    together: Mapping[str, CoupleSpread] = field(default_factory=dict)

    def spread(self, operation: Operation | None, statistic: str, operations: Sequence[Operation]) -> RestartSpread:
        """None is the mean over operations, which the calibration knows as it knows each of them (`together`). Where it
        does not: their levels may rise and fall together, so its sd is at most the mean of theirs, and that is taken,
        with the fewest df. Raises KeyError for what was not calibrated."""
        if operation is not None:
            return self.of[operation, statistic]
        each = [self.of[one, statistic] for one in operations]
        sd = sum(one.sd for one in each) / len(each)
        df = min((one.df for one in each if one.sd > 0), default=0.0)
        return RestartSpread(sd, df, self.together.get(statistic))


@dataclass(frozen=True, slots=True)
class Served:
    """starts: which couple of processes served each pair, int64 (pairs,); restarts: what is borrowed."""

    starts: NDArray[np.int64]
    restarts: Restarts

    def estimate(
        self, values: NDArray[np.float64], spread: RestartSpread, policy: Policy
    ) -> tuple[Estimate, float | None]:
        """The estimate over processes, and p that they differ no more than `spread` says. values: float64 (pairs,), NaN
        where a pair says nothing."""
        there = ~np.isnan(values)
        of = nest(values[there], self.starts[there], policy.trim)
        return starts_estimate(of, spread), spread_p(of, spread)

    def pairs(self, policy: Policy) -> int:
        """How far the gate has got, in pairs: whole processes count, whatever became of some of their pairs."""
        return len(np.unique(self.starts)) * policy.pairs_a_start


def in_whole_starts(pairs: Sequence[Pair], policy: Policy) -> Sequence[Pair]:
    """Without the pairs of a process that has not served all of its own yet."""
    return pairs[: len(pairs) // policy.pairs_a_start * policy.pairs_a_start]


def start_numbers(pairs: Sequence[Pair]) -> NDArray[np.int64]:
    """Which couple of processes served each pair, int64 (pairs,); one of its own where none is noted."""
    numbers = [-1 - pair.number if pair.start is None else pair.start for pair in pairs]
    return np.array(numbers, dtype=np.int64)


def by_start(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs of each couple of processes; a list for each pair where processes are fresh for each."""
    groups: dict[int, list[Pair]] = {}
    for pair, number in zip(pairs, start_numbers(pairs).tolist(), strict=True):
        groups.setdefault(number, []).append(pair)
    return list(groups.values())


def uncalibrated(policy: Policy, restarts: Restarts | None, operations: Sequence[Operation]) -> Reason | None:
    """Why what is borrowed is not there; None where it is, or where nothing has to be borrowed."""
    if not policy.starts:
        return None
    so = f"{policy.starts} processes a build serve all pairs ([gate] starts), and how much processes differ"
    if restarts is None:
        return Reason("no_calibration", f"{so} is not known here without a calibration", CALIBRATE)
    if restarts.starts < CALIBRATED_STARTS:
        text = f"{so} is known from only {restarts.starts} starts; {CALIBRATED_STARTS} are needed"
        return Reason("no_calibration", text, CALIBRATE)
    for operation in operations:
        for statistic in STATISTICS:
            if (operation, statistic) not in restarts.of:
                text = f"{so} was not calibrated for {operation.value} {statistic}"
                return Reason("no_calibration", text, CALIBRATE, f"{operation.value} {statistic}")
    return None


def unfit(effects: Sequence[Effect], policy: Policy) -> Reason | None:
    """Processes differ from each other by more than the calibration says, beyond chance: what is borrowed is wrong."""
    asked = [one for one in effects if one.primary and one.operation and one.starts_p is not None]
    worst = min(asked, key=lambda one: one.starts_p or 0.0, default=None)
    if worst is None or (worst.starts_p or 0.0) * len(asked) >= UNFIT:
        return None
    text = (
        f"processes differ more in {worst.name} than the calibration of this host says (p = {worst.starts_p:.1g}), so its "
        "figure cannot be borrowed"
    )
    return Reason("calibration_unfit", text, f"{CALIBRATE}; if it comes back, starts have become erratic", worst.name)
