"""Claims about trimmed means and Student's t."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perfgate.stats import trimmed_t
from perfgate.stats.spending import nominal_levels
from perfgate.stats.student import detectable, p_above_zero, reach, t_bound
from perfgate.stats.trimmed import Estimate, trimmed_estimate, trimmed_mean, trimmed_means
from perfgate.stats.trimmed_t import as_student, from_student, tail

VALUES = st.lists(st.floats(-10, 10), min_size=2, max_size=40)
SHARES = st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.4])


@given(VALUES, SHARES)
def test_the_trimmed_mean_is_scipys(values: list[float], share: float) -> None:
    assert trimmed_mean(values, share) == pytest.approx(stats.trim_mean(values, share), abs=1e-9)


@given(VALUES, SHARES)
def test_the_standard_error_comes_from_scipys_winsorised_values(values: list[float], share: float) -> None:
    cut = math.floor(share * len(values) + 1e-9)
    winsorised = np.asarray(stats.mstats.winsorize(np.array(values), limits=(cut / len(values),) * 2))
    expected = winsorised.std(ddof=1) / ((1 - 2 * cut / len(values)) * math.sqrt(len(values)))
    estimate = trimmed_estimate(values, share)
    assert estimate.se == pytest.approx(expected, abs=1e-9)
    assert estimate.df == len(values) - 2 * cut - 1


def test_yuens_t_of_two_samples_in_scipy_follows_from_two_of_our_estimates() -> None:
    random = np.random.default_rng(4)
    one, other = random.standard_t(3, 24), random.standard_t(3, 30) + 0.3
    a, b = trimmed_estimate(one, 0.2), trimmed_estimate(other, 0.2)
    ours = (a.mean - b.mean) / math.sqrt(
        # scipy pools by (n - 1) s_w^2 / (h (h - 1)); ours is s_w^2 / ((1 - 2g/n)^2 n): the usual one-sample form.
        sum(
            (n - 1) * (e.se * (1 - 2 * g / n) * math.sqrt(n)) ** 2 / ((n - 2 * g) * (n - 2 * g - 1))
            for e, n, g in ((a, 24, 4), (b, 30, 6))
        )
    )
    assert ours == pytest.approx(stats.ttest_ind(one, other, equal_var=False, trim=0.2).statistic)


def test_without_trimming_the_p_is_that_of_the_one_sample_t_test() -> None:
    values = np.random.default_rng(5).normal(0.2, 1, 15)
    expected = stats.ttest_1samp(values, 0, alternative="greater").pvalue
    assert p_above_zero(trimmed_estimate(values, 0.0)) == pytest.approx(expected)


@given(VALUES, SHARES, st.floats(-5, 5), st.floats(0.01, 100))
def test_shift_moves_and_scale_stretches_an_estimate(
    values: list[float], share: float, shift: float, scale: float
) -> None:
    before = trimmed_estimate(values, share)
    after = trimmed_estimate([scale * value + shift for value in values], share)
    assert after.mean == pytest.approx(scale * before.mean + shift, abs=1e-6)
    assert after.se == pytest.approx(scale * before.se, abs=1e-6)
    assert after.df == before.df


@given(VALUES, SHARES)
def test_exchanging_the_arms_flips_the_sign_and_nothing_else(values: list[float], share: float) -> None:
    one, other = trimmed_estimate(values, share), trimmed_estimate([-value for value in values], share)
    assert other.mean == pytest.approx(-one.mean, abs=1e-12)
    assert other.se == pytest.approx(one.se, abs=1e-12)


@given(st.lists(st.floats(-1, 1), min_size=12, max_size=12), st.floats(2, 1e6))
def test_one_spoilt_pair_in_twelve_does_not_move_the_estimate_beyond_the_others(
    values: list[float], spoilt: float
) -> None:
    estimate = trimmed_estimate([*values[:-1], spoilt], 0.1)
    assert -1 <= estimate.mean <= 1


@pytest.mark.parametrize("share", [-0.1, 0.5, math.nan])
def test_a_share_that_cannot_be_trimmed_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="trimmed at each end"):
        trimmed_mean([1.0, 2.0], share)


@given(st.floats(1e-9, 0.4), st.integers(1, 100))
def test_the_bound_is_exceeded_with_the_probability_it_is_for(level: float, df: int) -> None:
    assert stats.t.sf(t_bound(level, df), df) == pytest.approx(level, rel=1e-6)


@given(st.floats(1e-6, 0.2), st.floats(1.01, 10), st.integers(2, 60))
def test_a_stricter_level_never_has_a_nearer_bound(level: float, factor: float, df: int) -> None:
    assert t_bound(level / factor, df) > t_bound(level, df)


def test_a_standard_error_of_one_percent_sees_the_designs_5_9_percent_four_times_in_five() -> None:
    # gate-statistics: "SE 1.0 % detects 5.9 % with 80 % power", with the margin of 5 % and many degrees of freedom.
    found = detectable(Estimate(0.0, 0.01, 200), 0.01 / 3, math.log1p(0.05), 0.80)
    assert found is not None
    assert math.expm1(found) == pytest.approx(0.059, abs=0.0015)


def test_the_detectable_effect_is_detected_as_often_as_it_says() -> None:
    random = np.random.default_rng(8)
    pairs, sd, level = 30, 0.14, 0.0012
    promised = detectable(Estimate(0.0, sd / math.sqrt(pairs), pairs - 1), level, math.log1p(0.05), 0.80)
    assert promised is not None
    draws = random.normal(promised, sd, (4000, pairs))
    mean, se = draws.mean(axis=1), draws.std(axis=1, ddof=1) / math.sqrt(pairs)
    seen = (mean - t_bound(level, pairs - 1) * se > 0) & (mean > math.log1p(0.05))
    assert seen.mean() == pytest.approx(0.80, abs=0.04)


@given(st.lists(VALUES, min_size=1, max_size=5), SHARES)
def test_rows_of_different_lengths_are_trimmed_as_each_by_itself(rows: list[list[float]], share: float) -> None:
    table = np.full((len(rows), 40), math.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    assert trimmed_means(table, share) == pytest.approx([trimmed_mean(values, share) for values in rows], abs=1e-9)


# --- the trimmed t -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "cut"), [(12, 1), (30, 3), (30, 7)])
def test_the_trimmed_t_is_exceeded_as_often_as_its_level_says(count: int, cut: int) -> None:
    """By brute force on normal samples; Student's t alone is exceeded up to half as often again."""
    random, df = np.random.default_rng(20), count - 2 * cut - 1
    values = np.sort(random.standard_normal((200_000, count)), axis=1)
    middle = values[:, cut : count - cut].mean(axis=1)
    winsorised = np.clip(values, values[:, cut, None], values[:, count - cut - 1, None])
    t = np.abs(middle) / (winsorised.std(axis=1, ddof=1) / ((1 - 2 * cut / count) * math.sqrt(count)))
    for level in (0.05, 0.01, 0.002):
        found = (t > from_student(t_bound(level, df), count, cut)).mean() / 2
        assert found == pytest.approx(level, abs=0.03 * level + 3 * math.sqrt(level / 400_000))
    assert (t > t_bound(0.002, df)).mean() / 2 > 1.1 * 0.002


def test_the_trimmed_t_of_three_values_of_which_one_is_left_on_each_side_is_refused() -> None:
    with pytest.raises(ValueError, match="2 must be left"):
        tail(np.array([1.0]), 3, 1)


def test_a_tail_of_one_in_a_million_is_known_from_any_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.array([2.0, 4.0, 5.5])
    many = tail(points, 30, 3)
    monkeypatch.setattr(trimmed_t, "SHAPES", 4_096)
    assert tail(points, 30, 3) == pytest.approx(many, rel=0.1)


@given(st.integers(0, 3), st.floats(-60, 60))
@settings(deadline=None)
def test_the_two_scales_are_each_others_inverse_and_odd(cut: int, t: float) -> None:
    there = as_student(t, 16, cut)
    assert from_student(there, 16, cut) == pytest.approx(t, rel=1e-9, abs=1e-12)
    assert as_student(-t, 16, cut) == -there
    assert abs(there) <= abs(t)


def test_p_is_below_a_level_exactly_where_the_bound_is_passed() -> None:
    values = np.random.default_rng(21).normal(0.5, 1, 30)
    estimate = trimmed_estimate(values, 0.1)
    level = p_above_zero(estimate)
    assert reach(level, estimate) == pytest.approx(estimate.mean)
    assert reach(0.9 * level, estimate) > estimate.mean > reach(1.1 * level, estimate)


def test_all_looks_together_spend_what_they_may_on_normal_values() -> None:
    """The whole sequence at an error of 5 %, where 20,000 gates tell 5 % from 5.6 %; Student's t alone gives 5.4 %."""
    looks, level = (12, 16, 20, 24, 30), 0.05
    nominal = nominal_levels(level, tuple(look / looks[-1] for look in looks))
    values = np.random.default_rng(22).standard_normal((20_000, looks[-1]))
    crossed = np.zeros(len(values), dtype=bool)
    for look, p in zip(looks, nominal, strict=True):
        cut = look // 10
        ordered = np.sort(values[:, :look], axis=1)
        winsorised = np.clip(ordered, ordered[:, cut, None], ordered[:, look - cut - 1, None])
        se = winsorised.std(axis=1, ddof=1) / ((1 - 2 * cut / look) * math.sqrt(look))
        estimate = Estimate(0.0, 1.0, look - 2 * cut - 1, cut)
        crossed |= ordered[:, cut : look - cut].mean(axis=1) > reach(p, estimate) * se
    assert crossed.mean() == pytest.approx(level, abs=0.006)
