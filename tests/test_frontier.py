"""Latency at equal recall: against brute force, and as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perfgate.stats.frontier import Bracket, at_recall, between, bracket, undominated

RECALLS = arrays(np.float64, st.integers(1, 7), elements=st.floats(0, 1, width=32))


def exact(levels: list[float]) -> np.ndarray:
    """Rounds without any noise."""
    return np.tile(levels, (4, 1))


@given(recalls=RECALLS, data=st.data())
def test_without_noise_the_frontier_is_what_comparing_all_with_all_leaves(
    recalls: np.ndarray, data: st.DataObject
) -> None:
    levels = data.draw(arrays(np.float64, len(recalls), elements=st.floats(0, 9, width=16)))
    kept = undominated(recalls, exact(levels.tolist()))
    count = range(len(recalls))
    brute = {a for a in count if not any(recalls[b] >= recalls[a] and levels[b] < levels[a] for b in count)}
    assert set(kept) == brute
    assert [recalls[one] for one in kept] == sorted(recalls[one] for one in kept)


@given(recalls=RECALLS, wanted=st.floats(0, 1))
def test_the_wanted_recall_lies_between_the_neighbours_and_is_what_they_give(
    recalls: np.ndarray, wanted: float
) -> None:
    frontier = undominated(recalls, exact(recalls.tolist()))
    at = bracket(recalls, frontier, wanted)
    if recalls.max() < wanted:
        assert at is None
        return
    assert at is not None
    assert 0 <= at.weight <= 1
    if at.clamped:
        assert recalls[at.low] == recalls.min() > wanted
    else:
        assert between(recalls, at) == pytest.approx(wanted)


@given(st.floats(0.01, 0.99), st.floats(-3, 3), st.floats(-3, 3))
def test_between_two_values_the_log_latency_rises_linearly(weight: float, low: float, high: float) -> None:
    pooled = np.array([0.8, 0.9])
    at = bracket(pooled, [0, 1], 0.8 + 0.1 * weight)
    assert at is not None
    rounds = at_recall(exact([low, high]), np.tile(pooled, (4, 1)), pooled, at)
    assert rounds == pytest.approx(np.full(4, low + weight * (high - low)), abs=1e-6)


def test_a_value_that_is_slower_by_chance_stays_and_one_that_is_slower_for_sure_goes() -> None:
    noise = np.array([0.1, -0.1, 0.05, -0.05])
    levels = np.column_stack([1.0 + noise, 0.98 - noise, 2.0 + noise])
    recalls = np.array([0.90, 0.95, 0.94])
    assert undominated(recalls, levels) == [0, 1]


def test_the_spread_over_rounds_holds_the_error_of_the_recalls() -> None:
    """By brute force: the whole measurement made anew many times, interpolated each time at its own pooled recalls."""
    random = np.random.default_rng(5)
    true_recall, true_level, wanted, rounds = np.array([0.90, 0.98]), np.array([0.0, 1.0]), 0.94, 12

    def measure() -> tuple[float, float]:
        recalls = true_recall + 0.004 * random.standard_normal((rounds, 2))
        levels = true_level + 0.02 * random.standard_normal((rounds, 2))
        pooled = recalls.mean(axis=0)
        at = bracket(pooled, [0, 1], wanted)
        assert at is not None
        values = at_recall(levels, recalls, pooled, at)
        return float(values.mean()), float(values.std(ddof=1) / np.sqrt(rounds))

    found = np.array([measure() for _ in range(2_000)])
    assert found[:, 0].mean() == pytest.approx(0.5, abs=0.003)
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.08)
    latency_alone = 0.02 * np.sqrt(0.5) / np.sqrt(rounds)
    assert found[:, 0].std() > 2 * latency_alone  # leaving the recalls out would claim far too much


@settings(max_examples=50)
@given(st.floats(0.001, 0.02))
def test_a_step_in_recall_of_nearly_nothing_moves_no_round_by_more_than_the_step(gap: float) -> None:
    random = np.random.default_rng(1)
    recalls = np.array([0.95, 0.95 + gap]) + 0.05 * random.standard_normal((20, 2))
    pooled = np.array([0.95, 0.95 + gap])
    values = at_recall(np.tile([0.0, 1.0], (20, 1)), recalls, pooled, Bracket(0, 1, 0.5))
    assert np.all((values >= -0.5) & (values <= 1.5))


def test_a_missing_reading_is_missing_in_the_round_alone() -> None:
    levels = np.array([[0.0, 1.0], [np.nan, 1.0], [0.0, 1.0]])
    pooled = np.array([0.8, 0.9])
    values = at_recall(levels, np.tile(pooled, (3, 1)), pooled, Bracket(0, 1, 0.5))
    assert np.isnan(values).tolist() == [False, True, False]
