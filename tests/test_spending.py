"""Claims about sequential boundaries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perfgate.stats.spending import looks_so_far, nominal_levels, obrien_fleming_spent, repeated_p

PUBLISHED = {
    # Lan-DeMets O'Brien-Fleming-type boundaries, one-sided 0.025, equally spaced looks: the tables of Reboussin, DeMets,
    # Kim and Lan (2000), Controlled Clinical Trials 21, and of the R packages ldbounds and gsDesign (sfLDOF).
    2: (2.9626, 1.9686),
    3: (3.7103, 2.5114, 1.9930),
    4: (4.3326, 2.9631, 2.3590, 2.0141),
    5: (4.8769, 3.3569, 2.6803, 2.2898, 2.0310),
}
LOOKS = st.lists(st.integers(2, 60), min_size=1, max_size=6, unique=True).map(sorted).map(tuple)
ALPHAS = st.floats(1e-5, 0.2)


@pytest.mark.parametrize("looks", PUBLISHED)
def test_boundaries_are_the_published_ones(looks: int) -> None:
    levels = nominal_levels(0.025, tuple((look + 1) / looks for look in range(looks)))
    assert stats.norm.isf(levels) == pytest.approx(PUBLISHED[looks], abs=2e-4)


def test_one_look_has_all_of_the_error() -> None:
    assert nominal_levels(0.005, (1.0,)) == pytest.approx((0.005,))


def test_two_looks_agree_with_the_bivariate_normal_distribution() -> None:
    first, second = (stats.norm.isf(level) for level in nominal_levels(0.03, (0.4, 1.0)))
    rho = math.sqrt(0.4)
    stays = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([first, second])
    assert 1 - stays == pytest.approx(0.03, abs=2e-6)


def test_peeking_at_every_pair_still_spends_no_more_than_promised() -> None:
    random = np.random.default_rng(11)
    bounds = stats.norm.isf(nominal_levels(0.05, tuple((pair + 1) / 20 for pair in range(20))))
    sums = random.standard_normal((40_000, 20)).cumsum(axis=1) / np.sqrt(np.arange(1, 21))
    assert (sums > bounds).any(axis=1).mean() == pytest.approx(0.05, abs=0.004)


@settings(max_examples=30, deadline=None)
@given(LOOKS, ALPHAS, st.floats(1.1, 10))
def test_a_smaller_alpha_is_stricter_at_every_look(looks: tuple[int, ...], alpha: float, factor: float) -> None:
    fractions = tuple(look / looks[-1] for look in looks)
    for strict, loose in zip(nominal_levels(alpha / factor, fractions), nominal_levels(alpha, fractions), strict=True):
        assert strict <= loose


@settings(max_examples=30, deadline=None)
@given(LOOKS, ALPHAS)
def test_no_look_is_granted_more_than_what_is_spent_until_then(looks: tuple[int, ...], alpha: float) -> None:
    fractions = tuple(look / looks[-1] for look in looks)
    for fraction, level in zip(fractions, nominal_levels(alpha, fractions), strict=True):
        assert level <= obrien_fleming_spent(alpha, fraction) * (1 + 1e-3) + 1e-12  # what integration resolves


@given(ALPHAS)
def test_all_of_the_error_is_spent_at_the_end(alpha: float) -> None:
    assert obrien_fleming_spent(alpha, 1.0) == pytest.approx(alpha)


@settings(max_examples=12, deadline=None)
@given(LOOKS, st.floats(1e-5, 0.2))
def test_the_repeated_p_of_a_boundary_is_the_error_the_boundary_belongs_to(
    looks: tuple[int, ...], alpha: float
) -> None:
    fractions = tuple(look / looks[-1] for look in looks)
    nominal = nominal_levels(alpha, fractions)[-1]
    if nominal > 1e-200:
        assert repeated_p(nominal, fractions) == pytest.approx(alpha, rel=0.02)


def test_a_p_that_says_nothing_stays_one() -> None:
    assert repeated_p(0.7, (0.5, 1.0)) == 1.0


def test_a_look_that_was_not_planned_is_judged_by_its_share_of_the_information() -> None:
    looks = (12, 16, 20, 24, 30)
    assert looks_so_far(20, looks) == (12 / 30, 16 / 30, 20 / 30)
    assert looks_so_far(18, looks) == (12 / 30, 16 / 30, 18 / 30)
    assert looks_so_far(33, looks)[-1] == 1.0


@pytest.mark.parametrize("fractions", [(), (0.5, 0.5), (0.0, 1.0), (0.5, 1.2)])
def test_fractions_that_do_not_rise_to_one_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must rise"):
        nominal_levels(0.05, fractions)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0])
def test_an_alpha_that_cannot_be_spent_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        nominal_levels(alpha, (1.0,))
