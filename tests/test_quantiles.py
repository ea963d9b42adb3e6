"""Quantiles of small samples: invariances, and other people's implementations of the same formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import genpareto
from scipy.stats.mstats import hdquantiles

from perfgate.histogram import Histogram
from perfgate.stats.control_variates import without_covariates
from perfgate.stats.quantiles import (
    KINDS,
    paired_tail_ratio,
    pareto_moments,
    rank_shares,
    rank_weights,
    tail_quantile,
    weighted_quantile,
)

LOGS = st.lists(st.floats(-10, 10), min_size=1, max_size=80).map(lambda values: np.sort(np.array(values)))
QS = st.floats(0.01, 0.99)
KIND = st.sampled_from(KINDS)


@given(LOGS, QS, KIND, st.floats(-5, 5), st.floats(0.1, 3))
def test_shift_and_scale_of_the_logs_go_through(
    ordered: np.ndarray, q: float, kind: str, shift: float, scale: float
) -> None:
    found = weighted_quantile(ordered, q, kind)
    assert weighted_quantile(scale * ordered + shift, q, kind) == pytest.approx(scale * found + shift, abs=1e-8)


@given(LOGS, QS, QS, st.sampled_from(("plain", "harrell_davis", "kernel")))
def test_a_higher_q_never_gives_less(ordered: np.ndarray, one: float, other: float, kind: str) -> None:
    low, high = sorted((one, other))
    assert weighted_quantile(ordered, low, kind) <= weighted_quantile(ordered, high, kind) + 1e-9


@given(LOGS, QS, KIND)
def test_a_quantile_lies_within_the_sample(ordered: np.ndarray, q: float, kind: str) -> None:
    assert ordered[0] - 1e-9 <= weighted_quantile(ordered, q, kind) <= ordered[-1] + 1e-9


@given(st.integers(1, 300), QS, KIND, st.floats(0.2, 1.0))
def test_weights_are_not_negative_and_add_up_to_one(count: int, q: float, kind: str, width: float) -> None:
    weights = rank_weights(kind, count, q, width)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-9)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=60), QS)
def test_harrell_davis_is_scipys(values: list[float], q: float) -> None:
    expected = float(hdquantiles(values, [q])[0])
    assert weighted_quantile(np.sort(values), q, "harrell_davis") == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.integers(10**6, 10**9), min_size=1, max_size=200), QS)
def test_the_plain_one_is_what_a_histogram_finds_to_its_resolution(times: list[int], q: float) -> None:
    plain = weighted_quantile(np.sort(np.log(times)), q)
    assert Histogram.of(times).quantile(q) == pytest.approx(math.exp(plain), rel=2e-3)


def test_the_kernels_weights_are_the_integral_of_the_cut_normal_density() -> None:
    count, q = 40, 0.9
    fine = (np.arange(400_000) + 0.5) / 400_000
    density = np.exp(-0.5 * ((fine - q) / (0.7 * math.sqrt(q * (1 - q) / (count + 1)))) ** 2)
    by_rank = density.reshape(count, -1).sum(axis=1)
    np.testing.assert_allclose(rank_weights("kernel", count, q, 0.7), by_rank / by_rank.sum(), atol=1e-7)


def test_a_band_is_the_mean_of_the_order_statistics_in_it() -> None:
    ordered = np.sort(np.random.default_rng(1).standard_normal(1_000))
    assert weighted_quantile(ordered, 0.98, "band", 0.5) == pytest.approx(ordered[970:990].mean())


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), QS, KIND)
def test_tied_ranks_weigh_together_what_they_weigh_one_by_one(counts: list[int], q: float, kind: str) -> None:
    """So that a histogram's buckets give what its values would."""
    total = sum(counts)
    ends = np.cumsum([0, *counts])
    together = np.diff(rank_shares(kind, ends / total, total, q))
    singly = np.add.reduceat(rank_weights(kind, total, q), ends[:-1])
    np.testing.assert_allclose(together, singly, atol=1e-9)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.2])
def test_moments_find_the_parameters_of_a_large_sample(shape: float) -> None:
    ordered = np.sort(genpareto.rvs(c=-shape, scale=2.0, size=200_000, random_state=3))
    found, scale = pareto_moments(ordered)
    c, _, by_likelihood = genpareto.fit(ordered[::50], floc=0)
    assert found == pytest.approx(shape, abs=0.02)
    assert scale == pytest.approx(2.0, abs=0.05)
    assert found == pytest.approx(-c, abs=0.1)
    assert scale == pytest.approx(by_likelihood, abs=0.25)


@pytest.mark.parametrize("q", [0.95, 0.99, 0.999])
def test_the_tails_model_finds_the_true_quantile_of_what_it_models(q: float) -> None:
    ordered = np.sort(genpareto.rvs(c=0.25, scale=1.0, size=400_000, random_state=4))
    assert tail_quantile(ordered, q) == pytest.approx(genpareto.ppf(q, c=0.25), rel=0.02)


@given(st.lists(st.floats(0.1, 100), min_size=60, max_size=120), st.floats(0.1, 10))
def test_the_tails_model_is_equivariant_to_scale_and_monotone(values: list[float], scale: float) -> None:
    ordered = np.sort(values)
    low, high = tail_quantile(ordered, 0.95), tail_quantile(ordered, 0.99)
    assert low <= high + 1e-9
    assert tail_quantile(scale * ordered, 0.95) == pytest.approx(scale * low, rel=1e-6)


def test_a_tail_of_few_values_says_nothing() -> None:
    assert math.isnan(tail_quantile(np.arange(1.0, 40.0), 0.95))


@pytest.mark.parametrize(
    ("kind", "q", "width"), [("plain", 1.0, 1), ("band", 0.9, 1.5), ("kernel", 0.9, 0), ("hd", 0.9, 1)]
)
def test_what_cannot_be_is_refused(kind: str, q: float, width: float) -> None:
    with pytest.raises(ValueError, match="must"):
        rank_weights(kind, 10, q, width)


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=60, unique_by=lambda row: sum(row)),
    st.randoms(use_true_random=False),
    st.floats(-1, 1),
)
def test_the_paired_ratio_flips_with_the_arms_forgets_the_order_and_follows_a_scale(
    rows: list[tuple[float, float]], random: object, shift: float
) -> None:
    base, candidate = np.array(rows).T
    found = paired_tail_ratio(base, candidate, 0.9)
    assert paired_tail_ratio(candidate, base, 0.9) == pytest.approx(-found, abs=1e-9)
    random.shuffle(rows)  # type: ignore[attr-defined]
    base, candidate = np.array(rows).T
    sums = base + candidate
    if len(np.unique(sums)) == len(sums):  # floating point may make ties of what were none
        assert paired_tail_ratio(base, candidate, 0.9) == pytest.approx(found, abs=1e-9)
    if len(np.unique(sums + shift)) == len(sums):
        assert paired_tail_ratio(base, candidate + shift, 0.9) == pytest.approx(found + shift, abs=1e-9)


def test_a_covariate_takes_its_noise_away_and_leaves_the_mean() -> None:
    random = np.random.default_rng(7)
    noise, rest = random.standard_normal((2, 50_000))
    values = 0.3 + 2.0 * noise + 0.5 * rest
    adjusted = without_covariates(values, noise[:, None])
    assert adjusted.mean() == pytest.approx(0.3, abs=0.01)
    assert adjusted.std() == pytest.approx(0.5, abs=0.01)


def test_few_values_are_left_as_they_are() -> None:
    values = np.arange(4.0)
    assert without_covariates(values, values[:, None]) is values
