"""Claims about what one pair says."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from gate_values import EMPTY, SEARCH, SLICE_NS, STORE, THREE, Build, pairs

from perfgate.gate.pair_effect import pair_effect
from perfgate.gate.policy import Policy
from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.outcome import OUTCOMES
from perfgate.pair import Couple, Pair
from perfgate.segment import Arm

POLICY = Policy(group_requests=100)


def a_slice(latencies: np.ndarray) -> Interval:
    response = Histogram.of(latencies.astype(np.int64))
    part = OperationInterval(response, response, (len(latencies),) + (0,) * (len(OUTCOMES) - 1))
    count = len(latencies)
    return Interval(0, 0, SLICE_NS, count, count, 0, {STORE: part}, EMPTY, EMPTY)


def a_pair(slices: list[tuple[np.ndarray, np.ndarray]]) -> Pair:
    couples = [Couple(number, Arm.BASE, a_slice(base), a_slice(other)) for number, (base, other) in enumerate(slices)]
    return Pair(0, tuple(couples), {}, {}, {}, {})


def latencies(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(14, 0.6, count)


@pytest.mark.parametrize(("a_couple", "groups"), [(100, 8), (60, 4), (30, 2), (12, 1), (250, 8)])
def test_neighbours_are_joined_until_a_quantile_rests_on_a_hundred_requests(a_couple: int, groups: int) -> None:
    made = [(latencies(a_couple, seed), latencies(a_couple, seed)) for seed in range(8)]
    effect = pair_effect(a_pair(made), STORE, POLICY)
    assert effect is not None
    assert effect.by_group.shape == (groups, 3)


def test_every_couple_is_in_some_group() -> None:
    made = [(latencies(40, seed), latencies(40, seed)) for seed in range(8)]
    slow_at_the_end = [*made[:-1], (made[-1][0], made[-1][1] * 50)]
    before, after = (pair_effect(a_pair(slices), STORE, POLICY) for slices in (made, slow_at_the_end))
    assert before is not None
    assert after is not None
    assert after.by_group[-1, 2] > before.by_group[-1, 2] + 1


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.05, 1.5])
def test_a_factor_on_all_latencies_is_its_logarithm_in_every_quantile(factor: float) -> None:
    made = [(base, base * factor) for base in (latencies(200, seed) for seed in range(8))]
    effect = pair_effect(a_pair(made), STORE, POLICY)
    assert effect is not None
    assert effect.log_ratios == pytest.approx([math.log(factor)] * 3, abs=0.003)  # the histogram's grain


def test_exchanging_the_arms_flips_the_sign() -> None:
    (pair,) = pairs(1, Build(slower={SEARCH: 1.3}, restart_sd=0.1))
    couples = tuple(dataclasses.replace(one, base=one.candidate, candidate=one.base) for one in pair.couples)
    for operation in THREE:
        forth = pair_effect(pair, operation, POLICY)
        back = pair_effect(dataclasses.replace(pair, couples=couples), operation, POLICY)
        assert forth is not None
        assert back is not None
        assert forth.log_ratios == pytest.approx([-value for value in back.log_ratios])


def test_a_burst_in_one_couple_of_eight_does_not_decide_the_pair() -> None:
    made = [(latencies(200, seed), latencies(200, seed)) for seed in range(8)]
    made[3] = (made[3][0], made[3][1] * 10)
    effect = pair_effect(a_pair(made), STORE, POLICY)
    assert effect is not None
    assert effect.log_ratios == pytest.approx([0, 0, 0])


def test_dropped_couples_say_nothing() -> None:
    made = [(latencies(200, seed), latencies(200, seed)) for seed in range(4)]
    pair = a_pair([*made, (made[0][0], made[0][1] * 10)])
    dropped = dataclasses.replace(pair.couples[-1], dropped="generator late")
    effect = pair_effect(dataclasses.replace(pair, couples=(*pair.couples[:-1], dropped)), STORE, POLICY)
    assert effect is not None
    assert effect.by_group == pytest.approx(np.zeros((4, 3)))


def test_an_operation_that_an_arm_never_answered_says_nothing() -> None:
    made = [(latencies(200), np.empty(0))] * 4
    assert pair_effect(a_pair(made), STORE, POLICY) is None
    assert pair_effect(a_pair([(latencies(200), latencies(200))]), SEARCH, POLICY) is None


def test_a_reply_in_no_time_has_a_finite_ratio() -> None:
    effect = pair_effect(a_pair([(np.zeros(200), latencies(200))]), STORE, POLICY)
    assert effect is not None
    assert all(map(math.isfinite, effect.log_ratios))
