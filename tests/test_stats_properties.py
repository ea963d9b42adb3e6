"""Claims that hold for whatever numbers: what exchange of the arms, shift, scale and alpha do; small cases by enumeration;
published examples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perfgate.stats.bimodality import is_bimodal
from perfgate.stats.diagnostics import lag1_correlation, order_effect
from perfgate.stats.paired_counts import mcnemar_above
from perfgate.stats.shares import clopper_pearson
from perfgate.stats.spending import nominal_levels, repeated_p
from perfgate.stats.student import detectable, p_above_zero, t_bound
from perfgate.stats.trimmed import Estimate, trimmed_estimate
from perfgate.stats.variance import variance_split

VALUES = st.lists(st.floats(-10, 10), min_size=4, max_size=40)
GROUPS = st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=12), min_size=2, max_size=12)
ESTIMATES = st.builds(Estimate, st.floats(-0.5, 0.5), st.floats(0.001, 0.2), st.integers(3, 40))
LEVELS = st.floats(1e-5, 0.2)
PLANNED = (0.4, 16 / 30, 20 / 30, 0.8, 1.0)

# The data of Wilcox's textbook (Introduction to Robust Estimation and Hypothesis Testing, the self-awareness data), whose
# 20 % trimmed mean and standard error R's WRS gives as mean(x, 0.2) = 282.7 and trimse(x) = 56.1.
SELF_AWARENESS = [77, 87, 88, 114, 151, 210, 219, 246, 253, 262, 296, 299, 306, 376, 428, 515, 666, 1310, 2611]


def test_the_trimmed_mean_and_its_error_are_those_of_the_textbook() -> None:
    found = trimmed_estimate(SELF_AWARENESS, 0.2)
    assert (found.mean, found.df) == (pytest.approx(282.7, abs=0.05), 12)
    # The textbook divides by 1 - 2 x 0.2; here, as with Yuen, it is the share that was kept: 13 of 19.
    assert found.se * (13 / 19) / 0.6 == pytest.approx(56.1, abs=0.05)


@pytest.mark.parametrize(
    ("alpha", "bounds"),
    [(0.025, (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)), (0.05, (4.2292, 2.8882, 2.2981, 1.9621, 1.7397))],
)
def test_boundaries_of_five_looks_are_those_that_gsdesign_gives(alpha: float, bounds: tuple[float, ...]) -> None:
    """R: gsDesign(k = 5, test.type = 1, alpha = …, sfu = sfLDOF)$upper$bound."""
    levels = nominal_levels(alpha, (0.2, 0.4, 0.6, 0.8, 1.0))
    assert stats.norm.isf(levels) == pytest.approx(bounds, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=3, max_size=3, unique=True), st.floats(0.001, 0.2))
def test_three_looks_agree_with_the_trivariate_normal_distribution(looks: list[int], alpha: float) -> None:
    fractions = tuple(look / max(looks) for look in sorted(looks))
    bounds = stats.norm.isf(nominal_levels(alpha, fractions))
    if not np.isfinite(bounds).all() or bounds[0] > 30:
        return  # nothing is spent at the first look
    correlation = [[math.sqrt(min(a, b) / max(a, b)) for a in fractions] for b in fractions]
    stays = stats.multivariate_normal([0, 0, 0], correlation, allow_singular=True, seed=1).cdf(bounds)
    assert 1 - stays == pytest.approx(alpha, abs=3e-4)


def test_repeated_intervals_hold_the_truth_at_all_looks_together() -> None:
    """Jennison and Turnbull (2000), chapter 9: estimate ± bound at each look; the truth leaves one side of any of them in
    no more than alpha of all sequences, whatever it is and whenever one stops."""
    alpha, truth = 0.05, 0.7
    bounds = stats.norm.isf(nominal_levels(alpha, PLANNED))
    information = 30 * np.array(PLANNED)
    steps = np.random.default_rng(12).standard_normal((100_000, 5)) * np.sqrt(np.diff([0, *information]))
    estimates = truth + steps.cumsum(axis=1) / information
    below = (estimates - bounds / np.sqrt(information) > truth).any(axis=1).mean()
    above = (estimates + bounds / np.sqrt(information) < truth).any(axis=1).mean()
    assert (below, above) == (pytest.approx(alpha, abs=0.003), pytest.approx(alpha, abs=0.003))


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 0.4), st.floats(1e-6, 0.4), st.integers(1, 5))
def test_a_smaller_nominal_p_never_has_a_larger_repeated_one(one: float, other: float, look: int) -> None:
    small, large = sorted((one, other))
    assert repeated_p(small, PLANNED[:look]) <= repeated_p(large, PLANNED[:look]) + 1e-12


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 0.4), st.integers(1, 5))
def test_a_repeated_p_is_never_better_than_the_p_of_one_look(p: float, look: int) -> None:
    assert repeated_p(p, PLANNED[:look]) >= p * (1 - 5e-3)  # interpolation between tabulated errors


@given(ESTIMATES)
def test_exchanging_the_arms_turns_a_p_into_its_rest(estimate: Estimate) -> None:
    there = p_above_zero(estimate)
    back = p_above_zero(Estimate(-estimate.mean, estimate.se, estimate.df))
    assert there + back == pytest.approx(1)


@given(ESTIMATES, st.floats(0.01, 100))
def test_a_p_does_not_know_the_unit(estimate: Estimate, scale: float) -> None:
    scaled = Estimate(scale * estimate.mean, scale * estimate.se, estimate.df)
    assert p_above_zero(scaled) == pytest.approx(p_above_zero(estimate), rel=1e-6, abs=1e-12)


@given(ESTIMATES, LEVELS, st.floats(1.01, 10))
def test_more_power_and_a_stricter_level_need_a_larger_effect(estimate: Estimate, level: float, factor: float) -> None:
    margin = math.log(1.05)
    usual, sure = (detectable(estimate, level, margin, power) or math.inf for power in (0.80, 0.99))
    strict = detectable(estimate, level / factor, margin, 0.80) or math.inf
    assert usual < sure
    assert usual <= strict


@pytest.mark.parametrize("power", [0.80, 0.99])
def test_the_detectable_effect_agrees_with_the_noncentral_t(power: float) -> None:
    """Without a threshold: the power at the effect it names, by scipy's noncentral t (R's power.t.test); the sum of two
    quantiles is an approximation that promises a little less."""
    pairs, se, level = 30, 0.013, 0.0012
    effect = detectable(Estimate(0.0, se, pairs - 1), level, 0.0, power)
    assert effect is not None
    assert 1 - stats.nct.cdf(t_bound(level, pairs - 1), pairs - 1, effect / se) == pytest.approx(power, abs=0.02)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_scipys_binomial_test_and_exchange_of_the_arms_leaves_only_the_tie_twice(a: int, b: int) -> None:
    if a + b:
        assert mcnemar_above(a, b) == pytest.approx(stats.binomtest(a, a + b, alternative="greater").pvalue)
    tie = stats.binom.pmf(a, a + b, 0.5)
    assert mcnemar_above(a, b) + mcnemar_above(b, a) == pytest.approx(1 + tie)


@given(st.integers(0, 40), st.integers(1, 40), st.floats(0.6, 0.999))
def test_bounds_of_a_share_are_scipys_and_those_of_the_rest_mirror_them(events: int, rest: int, level: float) -> None:
    trials = events + rest
    low, high = clopper_pearson(events, trials, level)
    exact = stats.binomtest(events, trials).proportion_ci(2 * level - 1, method="exact")
    assert (low, high) == (pytest.approx(exact.low, abs=1e-9), pytest.approx(exact.high, abs=1e-9))
    assert clopper_pearson(rest, trials, level) == (pytest.approx(1 - high), pytest.approx(1 - low))


def test_bounds_of_a_share_hold_the_truth_as_often_as_they_say_by_enumeration() -> None:
    for trials, truth in itertools.product((5, 20), (0.02, 0.3, 0.5)):
        missed = sum(
            stats.binom.pmf(k, trials, truth) for k in range(trials + 1) if clopper_pearson(k, trials, 0.95)[1] < truth
        )
        assert missed <= 0.05


@given(VALUES, st.floats(-5, 5), st.floats(0.1, 10), st.booleans())
def test_the_correlation_of_neighbours_knows_neither_zero_nor_unit_nor_sign(
    values: list[float], shift: float, scale: float, turned: bool
) -> None:
    rounded = [round(value, 2) for value in values]
    before = lag1_correlation(rounded)
    after = lag1_correlation([(-scale if turned else scale) * value + shift for value in rounded])
    if before is not None and after is not None and np.ptp(rounded) > 0:
        assert after == pytest.approx(before, abs=1e-6)
        assert -1 <= before <= 1


def test_the_correlation_of_neighbours_is_that_of_its_definition() -> None:
    values = np.random.default_rng(9).normal(size=25)
    mean = sum(values) / 25
    above = sum((values[i] - mean) * (values[i - 1] - mean) for i in range(1, 25))
    assert lag1_correlation(values) == pytest.approx(above / sum((value - mean) ** 2 for value in values))


@given(st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=2, max_size=30), st.floats(-3, 3))
def test_the_order_effect_is_the_same_whichever_arm_is_called_the_candidate(
    pairs: list[tuple[float, bool]], shift: float
) -> None:
    values, first = np.array([value for value, _ in pairs]), np.array([flag for _, flag in pairs])
    effect = order_effect(values, first)
    if effect is not None:
        assert order_effect(-values, ~first) == pytest.approx(effect, abs=1e-9)
        assert order_effect(values + shift, first) == pytest.approx(effect, abs=1e-9)
        assert order_effect(3 * values, first) == pytest.approx(3 * effect, abs=1e-9)


@given(GROUPS, st.floats(-3, 3), st.floats(0.1, 10))
def test_the_variance_split_knows_no_zero_and_no_sign_and_goes_with_the_square_of_the_unit(
    groups: list[list[float]], shift: float, scale: float
) -> None:
    before = variance_split(groups)
    after = variance_split([[shift - scale * value for value in group] for group in groups])
    assert before is not None
    assert after is not None
    for name in ("restart", "drift", "within"):
        assert getattr(after, name) == pytest.approx(scale**2 * getattr(before, name), rel=1e-4, abs=1e-6)


def test_the_variance_between_starts_is_that_of_an_analysis_of_variance_where_nothing_drifts() -> None:
    random = np.random.default_rng(10)
    table = random.normal(0, 0.05, (4_000, 1)) + random.normal(0, 0.1, (4_000, 8))
    split = variance_split(list(table))
    between, within = 8 * table.mean(axis=1).var(ddof=1), table.var(axis=1, ddof=1).mean()
    assert split is not None
    assert split.restart == pytest.approx((between - within) / 8, rel=0.1)
    assert split.within == pytest.approx(within / 8, rel=0.05)


@given(st.lists(st.floats(-1, 1), min_size=10, max_size=24), st.sampled_from([0.25, 1, 4]), st.booleans())
def test_groups_are_the_same_mirrored_and_in_another_unit(values: list[float], scale: float, turned: bool) -> None:
    rounded = [round(value, 2) for value in values]
    there = [(-scale if turned else scale) * value for value in rounded]
    assert is_bimodal(there, 0.0953 * scale) == is_bimodal(rounded, 0.0953)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 400), min_size=10, max_size=14))
def test_two_groups_are_those_that_trying_every_cut_finds_at_the_widest_gap(values: list[int]) -> None:
    ordered = sorted(value / 100 for value in values)
    least = math.ceil(len(ordered) / 5)
    cuts = range(least, len(ordered) - least + 1)
    gaps = {cut: ordered[cut] - ordered[cut - 1] for cut in cuts}
    widest = max(gaps.values())
    cut = next(cut for cut in cuts if gaps[cut] == widest)
    spread = max(np.std(ordered[:cut], ddof=1), np.std(ordered[cut:], ddof=1))
    assert is_bimodal([value / 100 for value in values], 0.1) == (widest > max(0.1, 4 * spread))
