"""Claims about simulated duets: what reaches both builds together cancels out, and what is left is what the model says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from perfgate.gate.policy_load import QUICK, policy_for
from perfgate.simulate.duet import LEAK, MUTUAL, autoregressive, draw_duet_noise
from perfgate.simulate.pool import make_pool
from perfgate.simulate.profile import PROFILES, Bursts, Profile
from perfgate.simulate.rates import make_tables
from perfgate.simulate.seconds import Noise, draw_noise
from perfgate.simulate.table import operating_characteristics
from perfgate.simulate.truth import TRUTHS

DUET = policy_for({}, "standard", mode="duet")
STILL = Profile("still", 0.0, ((3, 0.0),), 0.0)


def between_arms(
    profile: Profile, runs: int = 40, pairs: int = 20
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    noise = draw_duet_noise(profile, DUET, 64, runs, pairs, np.random.default_rng(1))
    both = noise.level + noise.burst
    difference: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = both[..., 1] - both[..., 0]
    return difference


def test_drift_of_the_host_cancels_out_altogether() -> None:
    drifting = dataclasses.replace(STILL, host=((3, 0.2), (60, 0.2), (600, 0.2)))
    level = draw_duet_noise(drifting, DUET, 64, 20, 20, np.random.default_rng(2)).level
    assert level.std() == pytest.approx(0.2 * np.sqrt(3), rel=0.1)
    still = dataclasses.replace(drifting, host=((3, 0.0), (60, 0.0), (600, 0.0)))
    assert np.array_equal(between_arms(drifting).round(12), between_arms(still).round(12))


def test_what_two_builds_do_to_each_other_is_an_autoregression_of_a_hundredth() -> None:
    difference = between_arms(STILL)
    assert difference.std() == pytest.approx(0.01 * np.sqrt(2), rel=0.05)
    levels = autoregressive(*MUTUAL, (50, 50, 2), 80, 0.25, np.random.default_rng(3))
    correlations = [np.corrcoef(levels[:, :, 0].ravel(), levels[:, :, lag].ravel())[0, 1] for lag in (20, 40)]
    assert correlations == pytest.approx([np.exp(-1), np.exp(-2)], abs=0.05)


def test_a_burst_reaches_both_and_leaves_only_what_one_feels_more() -> None:
    always = dataclasses.replace(STILL, bursts=Bursts((10.0, 10.0), (9.9, 10.0), (1.0, 1.0)))
    burst = draw_duet_noise(always, DUET, 64, 20, 20, np.random.default_rng(4)).burst
    assert np.median(burst) == pytest.approx(1.0, abs=0.05)
    difference = burst[..., 1] - burst[..., 0]
    assert np.abs(difference).max() <= 0.8 + 1e-9  # two bursts may meet for a moment
    assert difference.std() == pytest.approx(0.4 / np.sqrt(12) * np.sqrt(2), rel=0.15)


@pytest.mark.parametrize("name", ["typical", "noisy", "shared"])
def test_a_pairs_noise_is_smaller_in_a_duet_than_in_turns_of_three_seconds(name: str) -> None:
    """Restarts aside, which differ as much either way. Turns of a quarter of a second do as well as a duet."""
    profile = dataclasses.replace(PROFILES[name], restart=0.0)
    long_slices = policy_for({}, slice_ms=3000.0)
    turns = draw_noise(profile, long_slices, 3, 40, 20, np.random.default_rng(5))

    def spread(noise: Noise) -> float:
        both = noise.level + noise.burst
        return float((both[..., 1] - both[..., 0]).mean(axis=2).std())

    together = draw_duet_noise(profile, DUET, 64, 40, 20, np.random.default_rng(5))
    assert spread(together) < spread(turns)


def test_a_tenth_of_a_regression_is_lost_in_the_other_build() -> None:
    short = policy_for({}, "quick", mode="duet")
    pool = make_pool(QUICK, 330.0, [1.0, 1.3], 60, np.random.default_rng(6))
    nothing = Noise(np.zeros((1, 16, 10, 2)), np.zeros((1, 16, 10, 2)))
    p50s = {}
    for policy in (QUICK, short):
        tables, _ = make_tables(nothing, STILL, TRUTHS["all10"], policy, pool, 1.3, np.random.default_rng(7))
        same, _ = make_tables(nothing, STILL, TRUTHS["all10"], policy, pool, 1.0, np.random.default_rng(7))
        p50s[policy.mode] = float((tables - same)[..., 0].mean())
    assert p50s["duet"] == pytest.approx((1 - LEAK) * p50s["alternation"], rel=0.02)


def test_a_short_duet_is_right_about_the_same_build_and_about_a_clear_regression() -> None:
    policy = policy_for({}, "quick", mode="duet")
    same, one20 = operating_characteristics(
        policy, [PROFILES["noisy"]], [TRUTHS["same"], TRUTHS["one20"]], 20, 1, 330.0, pool_pairs=60
    )
    assert same.block == 0
    assert one20.block >= 18
