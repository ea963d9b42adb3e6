"""From runs to figures: medians of rounds, and ratios taken round by round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.speed.rounds import Run

Rounds = Mapping[int, float]
"""A tool's figure by round; a round in which it failed is missing."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours over a peer's, over the rounds that both have: median, least and greatest."""

    median: float
    low: float
    high: float
    rounds: int


def median(rounds: Rounds) -> float | None:
    """None of no rounds."""
    return statistics.median(rounds.values()) if rounds else None


def ratio(ours: Rounds, peer: Rounds) -> Ratio | None:
    """What disturbs the machine for a round disturbs both. None when they share no round."""
    both = sorted(ours.keys() & peer.keys())
    if not both:
        return None
    ratios = [ours[number] / peer[number] for number in both]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios), len(both))


def by_round(runs: Sequence[Run], tool: str, figure: Callable[[Run], float | None]) -> dict[int, float]:
    """A tool's figures, without runs that have none."""
    found = {run.round: figure(run) for run in runs if run.tool == tool}
    return {number: value for number, value in found.items() if value is not None}


def highest(holds: Callable[[float], bool], low: float, high: float, tolerance: float) -> float:
    """The highest rate that holds, to a factor of 1 + tolerance: doubled from `low` until one does not, then halved in
    logarithms. 0 when even `low` does not; at most `high`. A rate that fails is tried once more, since what else
    the machine does fails rates and never holds them."""

    def twice(rate: float) -> bool:
        return holds(rate) or holds(rate)

    if not twice(low):
        return 0.0
    good, bad = low, low
    while bad < high:
        bad = min(2 * good, high)
        if not twice(bad):
            break
        good = bad
    else:
        return good
    while bad / good > 1 + tolerance:
        middle = (good * bad) ** 0.5
        if twice(middle):
            good = middle
        else:
            bad = middle
    return good
