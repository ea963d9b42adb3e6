"""The highest rate that a store holds, found by trials of which each only says yes or no, and may be wrong.

Rates lie on a ladder: rung n is `start` times (1 + precision) to the nth. What is known after some trials is the step that
contradicts the fewest of them: held up to a rung, not held above (the least-squares monotone fit of yes and no, which for
a step is the one with the fewest errors; Barlow, Bartholomew, Bremner, Brunk, Statistical Inference under Order
Restrictions, 1972). While several rungs explain the trials equally well, the one in the middle is tried next, or twice or
half the rate where there is no bound yet; then the rung and the one above it are tried again until yes or no leads by
`confirm` at each (a sequential test of Wald's: where one answer in ten is wrong, a false lead of 5 comes once in 59,050),
or has had three times as many trials. A single wrong answer therefore costs trials, and moves nothing for good.

Pure: the next rung is a function of the trials so far, whoever makes them and in whatever order they come back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perfgate.errors import InputError

LONGEST = 3
"""A rung that the store holds every second time never gives a lead; so many times `confirm` trials are enough."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether the store held the rate of a rung."""

    rung: int
    held: bool


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rates in requests a second. start: rung 0, which is tried first. precision: how much higher the next rung is, a
    fraction. lowest, highest: rates beyond which nothing is tried. confirm: by how many trials yes must lead at the rung
    that is found, and no at the one above it. most: trials altogether. Raises InputError for what is no ladder."""

    start: float
    precision: float = 0.05
    lowest: float = 1.0
    highest: float = 1_000_000.0
    confirm: int = 5
    most: int = 60

    def __post_init__(self) -> None:
        if not 0 < self.lowest <= self.start <= self.highest < math.inf:
            raise InputError(
                f"the search begins at {self.start:g} requests/s, but may try {self.lowest:g} to {self.highest:g}: "
                "begin between the two"
            )
        if not 0.001 <= self.precision <= 1:
            raise InputError(f"precision {self.precision:g}: give a fraction from 0.001 to 1, as 0.05 for 5 %")
        if self.confirm < 1 or self.most < 1:
            raise InputError(f"{self.confirm} trials to confirm, {self.most} at most: at least 1 of each is needed")

    def rate(self, rung: int) -> float:
        """Requests a second. rung: negative for rates below `start`."""
        return float(self.start * (1 + self.precision) ** rung)

    @property
    def bottom(self) -> int:
        """The lowest rung."""
        return math.ceil(round(math.log(self.lowest / self.start, 1 + self.precision), 9))

    @property
    def top(self) -> int:
        """The highest rung."""
        return math.floor(round(math.log(self.highest / self.start, 1 + self.precision), 9))

    @property
    def octave(self) -> int:
        """Rungs to about twice the rate."""
        return max(1, round(math.log(2, 1 + self.precision)))


@dataclass(frozen=True, slots=True)
class Found:
    """What the trials say. rung: the highest that is held, None where not even the lowest is. (held, trials): at that rung;
    (above_held, above_trials): at the next one. settled: no more trials are needed; False where `most` was reached first.
    at_top: the highest rate that may be tried is held, so that the store may hold more."""

    rung: int | None
    held: int
    trials: int
    above_held: int
    above_trials: int
    settled: bool
    at_top: bool
    all_trials: int

    def least_share(self, confidence: float = 0.95) -> float:
        """How often, at least, the store holds that rung: the lower bound of Clopper and Pearson (1934) where all trials
        held it, which is the only case that is claimed; otherwise 0."""
        return float((1 - confidence) ** (1 / self.trials)) if self.trials and self.held == self.trials else 0.0


def next_rung(trials: Sequence[Trial], ladder: Ladder) -> int | None:
    """The rung to try next; None when the answer is settled, or `most` trials were made."""
    if len(trials) >= ladder.most:
        return None
    return _wanted(trials, ladder)


def found(trials: Sequence[Trial], ladder: Ladder) -> Found:
    """The answer so far."""
    low, high = _explains(trials, ladder)
    rung = low if low >= ladder.bottom else None
    at, above = (_votes(trials, low), _votes(trials, low + 1))
    return Found(
        rung, *at, *above,
        settled=bool(trials) and _wanted(trials, ladder) is None,
        at_top=low == high == ladder.top, all_trials=len(trials),
    )  # fmt: skip


def _wanted(trials: Sequence[Trial], ladder: Ladder) -> int | None:
    if not trials:
        return 0
    low, high = _explains(trials, ladder)
    rungs = [trial.rung for trial in trials]
    if low < high:
        if high == ladder.top and max(rungs) <= low:
            return min(low + ladder.octave, ladder.top)
        if low < ladder.bottom and min(rungs) > high:
            return max(high + 1 - ladder.octave, ladder.bottom)
        return (low + high + 1) // 2
    open_rungs = [rung for rung in (low, low + 1) if not _clear(trials, rung, ladder)]
    return min(open_rungs, key=lambda rung: (_votes(trials, rung)[1], rung), default=None)


def _clear(trials: Sequence[Trial], rung: int, ladder: Ladder) -> bool:
    held, made = _votes(trials, rung)
    beyond = not ladder.bottom <= rung <= ladder.top
    return beyond or abs(2 * held - made) >= ladder.confirm or made >= LONGEST * ladder.confirm


def _explains(trials: Sequence[Trial], ladder: Ladder) -> tuple[int, int]:
    """The highest rung held is one of low .. high: steps that contradict the fewest trials; of several such stretches the
    lowest. bottom - 1 stands for "not even the lowest rung"."""
    edges = sorted({trial.rung for trial in trials})
    stretches = list(zip([ladder.bottom - 1, *edges], [*(edge - 1 for edge in edges), ladder.top], strict=True))
    stretches = [(low, high) for low, high in stretches if low <= high]
    return min(stretches, key=lambda stretch: (_contradictions(trials, stretch[0]), stretch[0]))


def _contradictions(trials: Sequence[Trial], highest_held: int) -> int:
    return sum(trial.held != (trial.rung <= highest_held) for trial in trials)


def _votes(trials: Sequence[Trial], rung: int) -> tuple[int, int]:
    """(held, trials) of a rung."""
    here = [trial.held for trial in trials if trial.rung == rung]
    return sum(here), len(here)
