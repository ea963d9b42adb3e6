"""The session rule: whether we lost against a competitor, by today's session against the stored ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perfgate.gate.verdict import Word
from perfgate.stats.sessions import Session, against_sessions
from perfgate.stats.student import reach
from perfgate.stats.trimmed import Estimate

LEAST_SESSIONS = 4


@dataclass(frozen=True, slots=True)
class Loss:
    """loss: log of how much slower we have become against the competitor, today against the stored sessions; negative: we
    gained. lower, upper: each holds with confidence 1 - alpha. word: BLOCK where more than the margin is lost for sure, PASS
    where it is not, for sure; None where there are too few sessions. sessions: how many it was held against."""

    sessions: int
    loss: float | None
    se: float | None
    lower: float | None
    upper: float | None
    word: Word | None


def judge_loss(now: Session, past: Sequence[Session], margin: float, alpha: float, least: int = LEAST_SESSIONS) -> Loss:
    """alpha: how often, at most, a true loss of exactly the margin is blocked; a smaller one is blocked less often by far.

    The same bound serves both sides: BLOCK when all of the interval lies above log(1 + margin), PASS when all of it lies
    below, INCONCLUSIVE otherwise.
    """
    if len(past) < max(least, 2):
        return Loss(len(past), None, None, None, None, None)
    found: Estimate = against_sessions(now, past)
    far, edge = reach(alpha, found), math.log1p(margin)
    lower, upper = found.mean - far, found.mean + far
    word = Word.BLOCK if lower > edge else Word.PASS if upper < edge else Word.INCONCLUSIVE
    return Loss(len(past), found.mean, found.se, lower, upper, word)
