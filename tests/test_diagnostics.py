"""Claims about what numbers say on the conditions they were taken under."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.stats.bimodality import is_bimodal
from perfgate.stats.diagnostics import lag1_correlation, order_effect
from perfgate.stats.variance import variance_split

GAP = 0.1


def test_two_groups_of_starts_are_seen() -> None:
    random = np.random.default_rng(1)
    values = np.concatenate([random.normal(0, 0.01, 9), random.normal(0.3, 0.01, 7)])
    assert is_bimodal(random.permutation(values), GAP)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.05, 0.2]))
def test_one_group_of_starts_is_hardly_ever_called_two(seed: int, sd: float) -> None:
    random = np.random.default_rng(seed)
    found = sum(is_bimodal(random.normal(0, sd, 16), GAP) for _ in range(50))
    assert found <= 1


def test_a_few_spoilt_by_bursts_are_no_group() -> None:
    random = np.random.default_rng(2)
    assert not is_bimodal([*random.normal(0, 0.01, 14), 0.9, 1.1], GAP)


def test_a_slow_drift_is_no_group() -> None:
    assert not is_bimodal(np.linspace(0, 0.5, 20), GAP)


def test_groups_nearer_than_the_least_gap_are_left_alone() -> None:
    assert not is_bimodal([0.0, 0.001] * 6 + [0.05, 0.051] * 6, GAP)


@given(st.lists(st.floats(-1, 1), min_size=10, max_size=30), st.floats(-3, 3))
def test_where_zero_lies_does_not_matter_to_groups(values: list[float], shift: float) -> None:
    values = [round(value, 2) for value in values]  # so that rounding does not decide a tie
    assert is_bimodal(values, 0.0951) == is_bimodal([value + round(shift, 2) for value in values], 0.0951)


def test_the_sources_of_variance_are_told_apart() -> None:
    random = np.random.default_rng(3)
    pairs, groups = 600, 36
    restart = random.normal(0, 0.04, (pairs, 1))
    sampling = random.normal(0, 0.12, (pairs, groups))
    drift = np.empty((pairs, groups))
    drift[:, 0] = random.normal(0, 0.09, pairs)
    for group in range(1, groups):
        drift[:, group] = 0.5 * drift[:, group - 1] + random.normal(0, 0.08, pairs)
    split = variance_split(list(restart + sampling + drift))
    assert split is not None
    assert split.restart == pytest.approx(0.04**2, rel=0.25)
    assert split.within == pytest.approx(0.12**2 / groups, rel=0.4)
    assert split.drift == pytest.approx(drift.mean(axis=1).var(), rel=0.6)


def test_independent_slices_show_neither_restart_nor_drift() -> None:
    random = np.random.default_rng(4)
    split = variance_split(list(random.normal(0, 0.1, (400, 36))))
    assert split is not None
    assert split.restart + split.drift < 0.3 * split.within


def test_too_few_slices_split_nothing() -> None:
    assert variance_split([[0.1, 0.2, 0.3]] * 12) is None


def test_neighbours_that_resemble_each_other_are_correlated() -> None:
    assert (lag1_correlation(np.sin(np.arange(40) / 5)) or 0) > 0.8
    assert (lag1_correlation([1.0, -1.0] * 10) or 0) < -0.8
    assert lag1_correlation([1.0] * 10) is None


def test_the_order_effect_is_what_coming_first_costs() -> None:
    assert order_effect([0.3, 0.1, 0.3, 0.1], [True, False, True, False]) == pytest.approx(0.2)
    assert order_effect([0.3, 0.1], [True, True]) is None
