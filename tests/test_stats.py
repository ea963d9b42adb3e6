"""Claims about the statistics, against published figures and oracles."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from perfgate.stats.bimodality import is_bimodal
from perfgate.stats.diagnostics import lag1_correlation, order_effect
from perfgate.stats.paired_counts import mcnemar_above
from perfgate.stats.shares import clopper_pearson
from perfgate.stats.spending import looks_so_far, nominal_levels, obrien_fleming_spent
from perfgate.stats.student import detectable, p_above_zero, t_bound
from perfgate.stats.trimmed import Estimate, trimmed_estimate, trimmed_mean
from perfgate.stats.variance import variance_split

VALUES = st.lists(st.floats(-10, 10), min_size=4, max_size=40)


def test_boundaries_are_those_published_for_five_looks_of_obrien_and_fleming() -> None:
    # Lan and DeMets' spending at one-sided 0.025: Jennison and Turnbull (2000), R's gsDesign sfLDOF.
    levels = nominal_levels(0.025, (0.2, 0.4, 0.6, 0.8, 1.0))
    bounds = [-scipy.stats.norm.ppf(level) for level in levels]
    assert bounds == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=0.002)


def test_one_look_spends_all_of_alpha() -> None:
    assert nominal_levels(0.005, (1.0,)) == pytest.approx((0.005,))


def test_boundaries_keep_the_promised_error_over_all_looks() -> None:
    fractions = (0.4, 0.5333, 0.6667, 0.8, 1.0)
    bounds = np.array([-scipy.stats.norm.ppf(level) for level in nominal_levels(0.05, fractions)])
    random = np.random.default_rng(7)
    steps = random.normal(size=(200_000, 5)) * np.sqrt(np.diff((0.0, *fractions)))
    z = np.cumsum(steps, axis=1) / np.sqrt(fractions)
    assert np.mean((z > bounds).any(axis=1)) == pytest.approx(0.05, abs=0.002)


@given(st.floats(0.0005, 0.1), st.floats(0.0005, 0.1))
def test_levels_are_monotone_in_alpha(one: float, other: float) -> None:
    fractions = (0.5, 1.0)
    low, high = sorted((one, other))
    assert all(
        a <= b + 1e-12 for a, b in zip(nominal_levels(low, fractions), nominal_levels(high, fractions), strict=True)
    )


def test_spending_never_falls_and_ends_at_alpha() -> None:
    spent = [obrien_fleming_spent(0.05, fraction) for fraction in np.linspace(0.05, 1, 20)]
    assert spent == sorted(spent)
    assert spent[-1] == pytest.approx(0.05)


def test_an_early_end_counts_as_a_look_of_its_own() -> None:
    looks = (12, 16, 20, 24, 30)
    assert looks_so_far(16, looks) == (0.4, 16 / 30)
    assert looks_so_far(18, looks) == (0.4, 16 / 30, 0.6)
    assert looks_so_far(30, looks)[-1] == 1.0


@pytest.mark.parametrize("fractions", [(), (0.5, 0.5), (0.5, 0.4), (0.5, 1.5), (0.0, 1.0)])
def test_fractions_that_do_not_rise_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must rise"):
        nominal_levels(0.05, fractions)


@given(VALUES, st.sampled_from([0.0, 0.1, 0.2, 0.25]))
def test_the_trimmed_mean_is_scipys(values: list[float], share: float) -> None:
    assert trimmed_mean(values, share) == pytest.approx(scipy.stats.trim_mean(values, share), abs=1e-9)


def test_without_trimming_the_standard_error_is_the_ordinary_one() -> None:
    values = [1.0, 2.0, 4.0, 7.0]
    estimate = trimmed_estimate(values, 0.0)
    assert estimate.se == pytest.approx(scipy.stats.sem(values))
    assert estimate.df == 3


def test_the_winsorised_standard_error_is_that_of_yuens_formula() -> None:
    values = [77, 87, 88, 114, 151, 210, 219, 246, 253, 262, 296, 299, 306, 376, 428, 515, 666, 1310, 2611.0]
    winsorised = np.array(sorted(values))
    winsorised[:3], winsorised[-3:] = winsorised[3], winsorised[-4]
    expected = winsorised.std(ddof=1) / ((1 - 2 * 3 / 19) * math.sqrt(19))
    estimate = trimmed_estimate(values, 0.2)
    assert (estimate.mean, estimate.se, estimate.df) == (pytest.approx(282.7, abs=0.05), pytest.approx(expected), 12)


@given(VALUES, st.floats(-5, 5), st.floats(0.1, 5))
def test_estimates_move_with_shift_and_scale(values: list[float], shift: float, scale: float) -> None:
    before = trimmed_estimate(values, 0.2)
    after = trimmed_estimate([scale * value + shift for value in values], 0.2)
    assert after.mean == pytest.approx(scale * before.mean + shift, abs=1e-6)
    assert after.se == pytest.approx(scale * before.se, abs=1e-6)


@given(VALUES)
def test_turning_the_sign_turns_the_estimate(values: list[float]) -> None:
    there, back = trimmed_estimate(values, 0.1), trimmed_estimate([-value for value in values], 0.1)
    assert back.mean == pytest.approx(-there.mean, abs=1e-9)
    assert back.se == pytest.approx(there.se, abs=1e-9)


@pytest.mark.parametrize("share", [-0.1, 0.5, 1.0])
def test_impossible_trimming_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="must be at least 0 and below"):
        trimmed_mean([1.0, 2.0], share)


@pytest.mark.parametrize(("only_candidate", "only_base"), list(itertools.product(range(6), range(6))))
def test_mcnemar_is_the_count_of_all_outcomes(only_candidate: int, only_base: int) -> None:
    total = only_candidate + only_base
    as_bad = sum(sum(coins) >= only_candidate for coins in itertools.product((0, 1), repeat=total))
    assert mcnemar_above(only_candidate, only_base) == pytest.approx(as_bad / 2**total)


@pytest.mark.parametrize(("events", "trials"), [(0, 149), (1, 236), (2, 313)])
def test_the_trials_that_prove_two_percent_are_as_stated(events: int, trials: int) -> None:
    assert clopper_pearson(events, trials)[1] <= 0.02 < clopper_pearson(events, trials - 1)[1]


def test_t_bounds_and_p_values_are_scipys() -> None:
    assert t_bound(0.01, 17) == pytest.approx(scipy.stats.t.isf(0.01, 17))
    assert p_above_zero(Estimate(0.3, 0.1, 9)) == pytest.approx(scipy.stats.t.sf(3.0, 9))
    assert p_above_zero(Estimate(0.3, 0.0, 9)) == 0.0
    assert p_above_zero(Estimate(0.0, 0.0, 9)) == 1.0


def test_a_standard_error_of_one_percent_detects_what_the_design_says() -> None:
    # SE 1 % detects 5.9 % with 80 % power at a margin of 5 %.
    effect = detectable(Estimate(0.0, 0.01, 1_000), 0.01, math.log1p(0.05), 0.8)
    assert effect is not None
    assert math.expm1(effect) == pytest.approx(0.059, abs=0.001)


def test_two_groups_of_starts_are_seen_and_outliers_are_not() -> None:
    random = np.random.default_rng(3)
    one = random.normal(0, 0.02, 30)
    assert not is_bimodal(one, 0.05)
    assert is_bimodal(np.concatenate([one[:15], one[15:] + 0.4]), 0.05)
    assert not is_bimodal(np.concatenate([one[:27], one[27:] + 1.0]), 0.05)
    assert not is_bimodal(random.standard_t(2, 40), 0.05)


def test_diagnostics_say_what_they_measure() -> None:
    assert lag1_correlation([1.0, -1.0] * 10) == pytest.approx(-0.95)
    assert lag1_correlation([1.0, 1.0, 1.0, 1.0]) is None
    assert order_effect([1.0, 2.0, 3.0, 4.0], [True, True, False, False]) == pytest.approx(-2.0)
    split = variance_split([[1.0] * 4, [3.0] * 4])
    assert split is not None
    assert (split.restart, split.drift, split.within) == (2.0, 0.0, 0.0)
