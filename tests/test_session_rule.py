"""The session rule: its error and its power by brute force, and what it may depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.gate.sessions import judge_loss
from perfgate.gate.verdict import Word
from perfgate.simulate.case_compete import HOSTS, simulated_row
from perfgate.stats.sessions import Session, against_sessions

MARGIN, ALPHA = 0.10, 0.05
VALUES = st.floats(-1, 1)
PAST = st.lists(st.builds(Session, VALUES, st.floats(0.001, 0.1)), min_size=4, max_size=12)


def test_a_further_session_of_the_same_truth_differs_as_students_t_says() -> None:
    """scipy's prediction interval of four values, and 20,000 draws: the error is what was promised."""
    from scipy import stats

    values = [0.11, 0.13, 0.08, 0.12]
    found = against_sessions(Session(0.2, 0.001), [Session(one, 0.001) for one in values])
    assert found.mean == pytest.approx(0.2 - np.mean(values))
    assert found.se == pytest.approx(np.std(values, ddof=1) * math.sqrt(1.25))
    assert found.df == 3
    random = np.random.default_rng(3)
    draws = random.standard_normal((20_000, 5))
    t = (draws[:, 0] - draws[:, 1:].mean(axis=1)) / (draws[:, 1:].std(axis=1, ddof=1) * math.sqrt(1.25))
    assert (t > stats.t.isf(ALPHA, 3)).mean() == pytest.approx(ALPHA, abs=0.006)


@given(now=VALUES, se=st.floats(0.001, 0.1), past=PAST, shift=VALUES)
def test_it_depends_on_the_difference_alone(now: float, se: float, past: list[Session], shift: float) -> None:
    one = judge_loss(Session(now, se), past, MARGIN, ALPHA)
    moved = [Session(two.mean + shift, two.se) for two in past]
    other = judge_loss(Session(now + shift, se), moved, MARGIN, ALPHA)
    assert other.loss == pytest.approx(one.loss, abs=1e-9)
    assert other.lower == pytest.approx(one.lower, abs=1e-9)


@given(now=VALUES, se=st.floats(0.001, 0.1), past=PAST)
def test_block_and_pass_are_never_both_possible_and_follow_from_the_interval(
    now: float, se: float, past: list[Session]
) -> None:
    found = judge_loss(Session(now, se), past, MARGIN, ALPHA)
    assert found.lower is not None
    assert found.upper is not None
    edge = math.log1p(MARGIN)
    assert found.lower <= found.upper
    assert (found.word is Word.BLOCK) == (found.lower > edge)
    assert (found.word is Word.PASS) == (found.upper < edge)


@given(past=PAST, extra=st.floats(0.001, 0.5))
def test_a_worse_session_today_never_narrows_the_interval(past: list[Session], extra: float) -> None:
    precise = judge_loss(Session(0.0, 0.001), past, MARGIN, ALPHA)
    coarse = judge_loss(Session(0.0, 0.001 + extra), past, MARGIN, ALPHA)
    assert precise.se is not None
    assert coarse.se is not None
    assert coarse.se >= precise.se - 1e-12


def test_fewer_than_four_sessions_give_no_word_about_a_loss() -> None:
    for count in range(4):
        found = judge_loss(Session(0.5, 0.01), [Session(0.0, 0.01)] * count, MARGIN, ALPHA)
        assert (found.word, found.loss, found.sessions) == (None, None, count)
    assert judge_loss(Session(0.5, 0.01), [Session(0.0, 0.01)] * 4, MARGIN, ALPHA).word is Word.BLOCK


def test_sessions_that_agree_by_chance_are_not_taken_for_exact() -> None:
    """Their own errors are the least that they may differ by."""
    found = judge_loss(Session(0.12, 0.05), [Session(0.0, 0.05)] * 4, MARGIN, ALPHA)
    assert found.word is Word.INCONCLUSIVE


def test_a_forced_loss_of_20_percent_blocks_and_one_of_3_does_not_in_simulated_sessions() -> None:
    random = np.random.default_rng(7)

    def blocked(host: str, sessions: int, loss: float) -> float:
        return simulated_row("", HOSTS[host], sessions, loss, 100, random).blocked

    assert max(blocked(host, sessions, 0.03) for host in ("quiet", "typical") for sessions in (4, 12)) <= 0.02
    assert blocked("typical", 12, 0.10) < 0.15  # 5 % are promised; of 100
    assert blocked("quiet", 4, 0.20) > 0.97
    assert blocked("typical", 12, 0.20) > 0.75
