"""Claims about exact tests of counts."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from perfgate.stats.paired_counts import mcnemar_above
from perfgate.stats.shares import clopper_pearson


@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemar_is_the_share_of_all_ways_the_failures_could_have_fallen(candidate: int, base: int) -> None:
    ways = [sum(way) for way in itertools.product((0, 1), repeat=min(candidate + base, 12))]
    if candidate + base > 12:
        return
    assert mcnemar_above(candidate, base) == pytest.approx(
        float(Fraction(sum(way >= candidate for way in ways), len(ways)))
    )


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_is_scipys_binomial_test(candidate: int, base: int) -> None:
    if candidate + base:
        expected = stats.binomtest(candidate, candidate + base, 0.5, alternative="greater").pvalue
        assert mcnemar_above(candidate, base) == pytest.approx(expected, rel=1e-6, abs=1e-300)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_one_failure_more_of_the_candidate_never_raises_p(candidate: int, base: int) -> None:
    assert mcnemar_above(candidate + 1, base) <= mcnemar_above(candidate, base) + 1e-15


@pytest.mark.parametrize(("events", "trials"), [(0, 149), (1, 236), (2, 313)])
def test_the_runs_that_prove_under_two_percent_are_the_designs(events: int, trials: int) -> None:
    assert clopper_pearson(events, trials)[1] <= 0.02
    assert clopper_pearson(events, trials - 1)[1] > 0.02


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_clopper_pearson_is_scipys(counts: tuple[int, int]) -> None:
    events, trials = counts
    lower, upper = clopper_pearson(events, trials)
    expected = stats.binomtest(events, trials).proportion_ci(0.90, "exact")
    assert (lower, upper) == pytest.approx((expected.low, expected.high))


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        clopper_pearson(3, 2)
