"""One measurement of today against several of earlier days, each with an error of its own and all with one in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perfgate.stats.trimmed import Estimate

LEAST = 2
"""Earlier sessions without which nothing is known of how much sessions differ."""


@dataclass(frozen=True, slots=True)
class Session:
    """What one session measured: a log ratio and its standard error inside the session."""

    mean: float
    se: float


def against_sessions(now: Session, past: Sequence[Session]) -> Estimate:
    """now minus the mean of the past ones, with the error that a session of the same truth has against them.

    Sessions differ by more than their own errors: other days, other states of the host. With s² the variance of the m past
    ones, which holds both, a further session differs from their mean with variance s² (1 + 1/m), and the difference over
    its root follows Student's t with m - 1 degrees of freedom (the prediction interval: Snedecor and Cochran 1989,
    section 6.12). Two corrections, both to the cautious side: s² is not taken for less than the mean of the past ones' own
    squared errors, and where today's own error is larger than theirs the surplus is added.

    Raises ValueError for fewer than 2 past sessions.
    """
    if len(past) < LEAST:
        raise ValueError(f"{len(past)} earlier sessions say nothing of how much sessions differ: {LEAST} are needed")
    means = np.array([one.mean for one in past], dtype=np.float64)
    within = float(np.mean([one.se**2 for one in past]))
    spread = max(float(means.var(ddof=1)), within)
    variance = spread * (1 + 1 / len(past)) + max(0.0, now.se**2 - within)
    return Estimate(now.mean - float(means.mean()), math.sqrt(variance), len(past) - 1)
