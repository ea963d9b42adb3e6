"""Claims about the statistics, against published figures and oracles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from perfgate.stats.bimodality import is_bimodal
from perfgate.stats.diagnostics import lag1_correlation, order_effect
from perfgate.stats.paired_counts import mcnemar_above
from perfgate.stats.spending import nominal_levels, obrien_fleming_spent
from perfgate.stats.student import p_above_zero, t_bound
from perfgate.stats.trimmed import Estimate, trimmed_estimate
from perfgate.stats.variance import variance_split


def test_boundaries_keep_the_promised_error_over_all_looks() -> None:
    fractions = (0.4, 0.5333, 0.6667, 0.8, 1.0)
    bounds = np.array([-scipy.stats.norm.ppf(level) for level in nominal_levels(0.05, fractions)])
    random = np.random.default_rng(7)
    steps = random.normal(size=(200_000, 5)) * np.sqrt(np.diff((0.0, *fractions)))
    z = np.cumsum(steps, axis=1) / np.sqrt(fractions)
    assert np.mean((z > bounds).any(axis=1)) == pytest.approx(0.05, abs=0.002)


def test_spending_never_falls_and_ends_at_alpha() -> None:
    spent = [obrien_fleming_spent(0.05, fraction) for fraction in np.linspace(0.05, 1, 20)]
    assert spent == sorted(spent)
    assert spent[-1] == pytest.approx(0.05)


def test_without_trimming_the_standard_error_is_the_ordinary_one() -> None:
    values = [1.0, 2.0, 4.0, 7.0]
    estimate = trimmed_estimate(values, 0.0)
    assert estimate.se == pytest.approx(scipy.stats.sem(values))
    assert estimate.df == 3


@pytest.mark.parametrize(("only_candidate", "only_base"), list(itertools.product(range(6), range(6))))
def test_mcnemar_is_the_count_of_all_outcomes(only_candidate: int, only_base: int) -> None:
    total = only_candidate + only_base
    as_bad = sum(sum(coins) >= only_candidate for coins in itertools.product((0, 1), repeat=total))
    assert mcnemar_above(only_candidate, only_base) == pytest.approx(as_bad / 2**total)


def test_t_bounds_and_p_values_are_scipys() -> None:
    assert t_bound(0.01, 17) == pytest.approx(scipy.stats.t.isf(0.01, 17))
    assert p_above_zero(Estimate(0.3, 0.1, 9)) == pytest.approx(scipy.stats.t.sf(3.0, 9))
    assert p_above_zero(Estimate(0.3, 0.0, 9)) == 0.0
    assert p_above_zero(Estimate(0.0, 0.0, 9)) == 1.0


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
