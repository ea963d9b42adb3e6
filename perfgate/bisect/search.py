"""What to do next, from everything that is known: pure, so that a bisection goes on after an interruption as if nothing
had happened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfgate.bisect.lineage import Flags, Lineage
from perfgate.bisect.posterior import Posterior, buildable, cells, median, posterior
from perfgate.bisect.reading import Answer, Reading, combined, pooled_variance
from perfgate.stats.student import t_bound

LEAST_PAIRS = 2
FIRST_PAIRS = 4
WRONG_BOUND = 1.2816
"""A gate is as long as it takes for its answer to be on the wrong side of half the step in one case of ten: shorter ones
would pay for starting more often than for measuring, longer ones would ask with certainty about commits that do not
matter."""
START_GATES = 3
"""So many times `most_pairs` BAD is measured against GOOD before it is said that there is nothing to find."""
REGRESSED_LEVEL = 0.005
"""One-sided, shared by the metrics that were looked at: BAD is slower than GOOD beyond doubt, or there is nothing to find."""


@dataclass(frozen=True, slots=True)
class Settings:
    """metric: None for the one that shows the regression most clearly. most_pairs: of one gate."""

    confidence: float = 0.95
    metric: str | None = None
    most_pairs: int = 16
    most_gates: int | None = None

    def gates(self, commits: int) -> int:
        """How many are tried before it is given up."""
        return self.most_gates or 12 + 6 * math.ceil(math.log2(commits + 1))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known so far. unbuildable: ids."""

    lineage: Lineage
    answers: tuple[Answer, ...] = ()
    unbuildable: frozenset[str] = frozenset()

    @property
    def bad(self) -> str:
        """The id of the newest commit of the way, which is known to be slow."""
        return self.lineage.links[-1].sha

    def of(self, base: str, candidate: str, metric: str) -> list[Reading]:
        """The usable readings of these two builds."""
        found = [one.readings[metric] for one in self.answers
                 if (one.base, one.candidate) == (base, candidate) and metric in one.readings]  # fmt: skip
        return [one for one in found if one.usable]


@dataclass(frozen=True, slots=True)
class Measure:
    """Gate these two with so many pairs. chance: that the candidate has the regression, None where that is known."""

    base: str
    candidate: str
    pairs: int
    why: str
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """suspects: ids of the commits that no gate can tell apart, one of them where all build. step: measured from `base`
    to `candidate`, the builds around them. whole: of BAD against GOOD."""

    suspects: tuple[str, ...]
    share: float
    metric: str
    base: str
    candidate: str
    step: Reading
    whole: Reading


@dataclass(frozen=True, slots=True)
class NoRegression:
    """whole: of the metric that came nearest; None where nothing could be measured."""

    metric: str | None
    whole: Reading | None


@dataclass(frozen=True, slots=True)
class Undecided:
    """After so many gates that more of them will hardly help."""

    metric: str


Step = Measure | Found | NoRegression | Undecided


def next_step(known: Known, settings: Settings) -> Step:
    """Raises KeyError for a metric that no gate had."""
    metric = regressed_metric(known, settings)
    good, bad = known.lineage.good, known.bad
    if metric is None:
        return _start(known, settings)
    whole = combined(known.of(good, bad, metric))
    now = posterior(known.lineage, known.answers, metric)
    cell = likeliest(now, known)
    share = float(now.shares[cell].sum())
    pairs = gate_pairs(known, metric, now.step, settings)
    base, candidate = around(known, cell)
    if share >= settings.confidence:
        if steps := known.of(base, candidate, metric):
            suspects = tuple(known.lineage.links[place].sha for place in np.flatnonzero(cell))
            return Found(suspects, share, metric, base, candidate, combined(steps), whole)
        return Measure(
            base, candidate, min(settings.most_pairs, max(FIRST_PAIRS, 2 * pairs)), "measure the step itself"
        )
    if len(known.answers) >= settings.gates(len(known.lineage)):
        return Undecided(metric)
    middle = median(now, known.unbuildable)
    if middle is None:  # pragma: no cover - a single cell has all of the posterior
        return Undecided(metric)
    return Measure(good, middle, pairs, "bisect", now.held_by(middle))


def regressed_metric(known: Known, settings: Settings) -> str | None:
    """The metric in which BAD is slower than GOOD beyond doubt, the clearest of them; None while there is none. Raises
    KeyError for a metric that was asked for and not measured."""
    readings = _candidates(known, settings)
    level = REGRESSED_LEVEL / max(1, len(readings))
    clear = {
        name: one.estimate / one.se for name, one in readings.items() if one.estimate / one.se > t_bound(level, one.df)
    }
    return max(clear, key=lambda name: clear[name], default=None)


def likeliest(now: Posterior, known: Known) -> Flags:
    """The cell with the largest share."""
    return max(cells(now.lineage, known.unbuildable), key=lambda cell: float(now.shares[cell].sum()))


def around(known: Known, cell: Flags) -> tuple[str, str]:
    """(the nearest build before the cell, the first one that has it)."""
    lineage, first = known.lineage, int(np.flatnonzero(cell)[0])
    builds = buildable(lineage, known.unbuildable)
    candidate = next(sha for sha in builds if lineage.held(sha)[first])
    held = lineage.held(candidate)
    before = [sha for sha in builds if held[lineage.place(sha)] and not (lineage.held(sha) & cell).any()]
    return max(before, key=lambda sha: int(lineage.held(sha).sum()), default=lineage.good), candidate


def gate_pairs(known: Known, metric: str, step: float, settings: Settings) -> int:
    """How many pairs the next gate should have at the noise so far."""
    readings = [one.readings[metric] for one in known.answers if metric in one.readings]
    variance, _ = pooled_variance([one for one in readings if one.usable])
    wanted = math.ceil(variance / (step / 2 / WRONG_BOUND) ** 2)
    return min(settings.most_pairs, max(LEAST_PAIRS, wanted))


def _start(known: Known, settings: Settings) -> Measure | NoRegression:
    """A metric without a usable reading has no pairs, so the answers are counted as well: this must end."""
    spent = max((one.pairs for one in _whole(known).values()), default=0)
    spent = max(spent, FIRST_PAIRS * len(known.answers))
    left = START_GATES * settings.most_pairs - spent
    if left >= LEAST_PAIRS:
        pairs = min(left, settings.most_pairs, max(FIRST_PAIRS, spent))
        return Measure(known.lineage.good, known.bad, pairs, "is there a regression")
    readings = _candidates(known, settings)
    nearest = max(readings, key=lambda name: readings[name].estimate / readings[name].se, default=None)
    return NoRegression(nearest, readings[nearest] if nearest else None)


def _candidates(known: Known, settings: Settings) -> dict[str, Reading]:
    readings = _whole(known)
    if settings.metric is None:
        return readings
    names = _names(known.answers)
    if known.answers and settings.metric not in names:
        raise KeyError(settings.metric)
    return {settings.metric: readings[settings.metric]} if settings.metric in readings else {}


def _whole(known: Known) -> dict[str, Reading]:
    """Of BAD against GOOD by metric."""
    good, bad = known.lineage.good, known.bad
    found = {name: known.of(good, bad, name) for name in _names(known.answers)}
    return {name: combined(readings) for name, readings in found.items() if readings}


def _names(answers: Sequence[Answer]) -> list[str]:
    return list(dict.fromkeys(name for one in answers for name in one.readings))
