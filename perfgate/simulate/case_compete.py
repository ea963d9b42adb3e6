"""Sessions against a competitor: what the session rule says of a loss whose size is known, week after week."""

from __future__ import annotations

import math

import numpy as np

from perfgate.gate.sessions import LEAST_SESSIONS, judge_loss
from perfgate.gate.verdict import Word
from perfgate.simulate.case import Ask, Case, Row
from perfgate.stats.sessions import Session
from perfgate.stats.trimmed import trimmed_estimate

LOSSES = (0.0, 0.03, 0.08, 0.10, 0.20)
PAST = (4, 8, 12)
HOSTS = {"quiet": (0.005, 0.02), "typical": (0.02, 0.05), "noisy": (0.04, 0.10)}
"""Standard deviations of a session's level and of one round in it, in log ratios."""
ROUNDS = 8
TRIM = 0.2
MARGIN = 0.10
ALPHA = 0.05
HEAVY_DF = 3


def rows(ask: Ask) -> list[Row]:
    """A host, a number of stored sessions and a loss a row; the last ones with heavy tails in sessions and rounds."""
    random = np.random.default_rng([ask.seed, 0xC0])
    found = [
        simulated_row(f"{host} host, {past} sessions, {100 * loss:g} % lost", HOSTS[host], past, loss, ask.runs, random)
        for host in HOSTS
        for past in PAST
        for loss in LOSSES
    ]
    for loss in (0.0, 0.03, 0.20):
        label = f"typical host, {LEAST_SESSIONS} sessions, {100 * loss:g} % lost, heavy tails"
        found.append(simulated_row(label, HOSTS["typical"], LEAST_SESSIONS, loss, ask.runs, random, heavy=True))
    return found


def simulated_row(
    label: str, noise: tuple[float, float], past: int, loss: float, runs: int, random: np.random.Generator,
    heavy: bool = False,
) -> Row:  # fmt: skip
    """noise: as in HOSTS. past: stored sessions. loss: a fraction, the same in all of them and today. heavy: sessions
    and rounds with the tails of Student's t with HEAVY_DF degrees of freedom."""
    words = [_word(noise, past, loss, random, heavy) for _ in range(runs)]
    counts = {word: words.count(word) for word in (Word.BLOCK, Word.PASS, Word.INCONCLUSIVE)}
    return Row(label, runs, counts[Word.BLOCK], counts[Word.PASS], counts[Word.INCONCLUSIVE], ROUNDS)


def _word(noise: tuple[float, float], past: int, loss: float, random: np.random.Generator, heavy: bool) -> Word:
    level, within = noise

    def draw(count: int) -> np.ndarray:
        if not heavy:
            return random.standard_normal(count)
        return random.standard_t(HEAVY_DF, count) / math.sqrt(HEAVY_DF / (HEAVY_DF - 2))

    def session(truth: float) -> Session:
        rounds = truth + level * draw(1)[0] + within * draw(ROUNDS)
        found = trimmed_estimate(rounds, TRIM)
        return Session(found.mean, found.se)

    word = judge_loss(session(math.log1p(loss)), [session(0.0) for _ in range(past)], MARGIN, ALPHA).word
    assert word is not None
    return word


CASE = Case(
    "compete",
    f"a session of {ROUNDS} rounds against stored ones of a competitor, some of the lead lost",
    "3 % lost is next to never blocked, exactly the margin of 10 % in at most 5 %, 20 % nearly always but on noisy hosts",
    rows,
)
