"""How probable each commit is to be the one, after the answers so far.

Model: one commit moves the metric by an unknown positive step d, the others not at all. A gate whose candidate has that
commit and whose base has not estimates d, any other estimates 0. The likelihood of an estimate is Student's t with the
gate's standard error, mixed with a wide one for the gate that went wrong in a way its standard error does not know; so
an answer that is five standard errors away speaks with some 500 to 1, and others can outvote it. d is integrated over a
grid, with a flat prior, so that what the first gates of BAD against GOOD left open of it stays open.

Bisection by the posterior's median: Horstein 1963, IEEE Trans. Inf. Theory 9; Waeber, Frazier and Henderson 2013, SIAM
J. Control Optim. 51. Noisy binary search: Ben-Or and Hassidim 2008, FOCS.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.bisect.lineage import Flags, Lineage
from perfgate.bisect.reading import Answer, Reading, combined, moderated

Floats = NDArray[np.float64]
WRONG_SHARE = 0.02
"""Of gates whose error is no matter of their standard error: another job on the host, a store that behaved oddly."""
WRONG_WIDTH = 8.0
WRONG_DF = 3.0
STEPS = 61
REACH_SES = 5.0
LEAST_STEP = 0.25
"""Of the change between GOOD and BAD: a smaller step is not what is looked for."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """shares: float64 (n,), of each commit of the lineage, sum 1. step: the posterior mean of the change."""

    lineage: Lineage
    shares: Floats
    step: float

    def held_by(self, sha: str) -> float:
        """Probability that the commit has the regression."""
        return float(self.shares[self.lineage.held(sha)].sum())


def posterior(lineage: Lineage, answers: Sequence[Answer], metric: str) -> Posterior:
    """answers: at least one of BAD against GOOD, which says what step is looked for. Those without the metric say nothing."""
    known = [(one, one.readings[metric]) for one in answers if metric in one.readings and one.readings[metric].usable]
    readings = moderated([reading for _, reading in known])
    bad = lineage.links[-1].sha
    whole = [
        reading
        for (one, _), reading in zip(known, readings, strict=True)
        if (one.base, one.candidate) == (lineage.good, bad)
    ]
    steps = _grid(combined(whole))
    log = np.zeros((len(lineage), STEPS))
    for (answer, _), reading in zip(known, readings, strict=True):
        moved = lineage.between(answer.base, answer.candidate)
        still = float(log_likelihood(reading, np.zeros(1))[0])
        log += np.where(moved[:, None], log_likelihood(reading, steps)[None, :], still)
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    return Posterior(lineage, weights.sum(axis=1), float(weights.sum(axis=0) @ steps))


def log_likelihood(reading: Reading, means: Floats) -> Floats:
    """float64 like `means`: log density of the estimate where the truth is each of them."""
    z = (reading.estimate - means) / reading.se
    right = math.log1p(-WRONG_SHARE) + _log_t(z, reading.df)
    wrong = math.log(WRONG_SHARE / WRONG_WIDTH) + _log_t(z / WRONG_WIDTH, WRONG_DF)
    found: Floats = np.logaddexp(right, wrong) - math.log(reading.se)
    return found


def _grid(whole: Reading) -> Floats:
    reach = REACH_SES * whole.se
    least = max(whole.estimate - reach, LEAST_STEP * whole.estimate)
    return np.linspace(least, whole.estimate + reach, STEPS)


def _log_t(z: Floats, df: float) -> Floats:
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    found: Floats = constant - (df + 1) / 2 * np.log1p(z**2 / df)
    return found


def buildable(lineage: Lineage, unbuildable: Collection[str]) -> list[str]:
    """The commits that can be gated, BAD among them, parents first."""
    return [link.sha for link in lineage.links if link.sha not in unbuildable]


def cells(lineage: Lineage, unbuildable: Collection[str]) -> list[Flags]:
    """Commits that no gate can tell apart, since none of them builds but the last, as flags (n,) each; parents first."""
    rows = lineage.contains[[lineage.place(sha) for sha in buildable(lineage, unbuildable)]]
    found: dict[bytes, Flags] = {}
    for place in range(len(lineage)):
        found.setdefault(rows[:, place].tobytes(), np.zeros(len(lineage), bool))[place] = True
    return list(found.values())


def median(of: Posterior, unbuildable: Collection[str]) -> str | None:
    """The commit that can be gated and has the regression with a probability as near to one half as there is; BAD, of
    which that is known, is none. None where there is no other."""
    choice = buildable(of.lineage, unbuildable)[:-1]
    return min(choice, key=lambda sha: abs(of.held_by(sha) - 0.5), default=None)
