"""What a gate will be able to see, estimated beforehand."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from perfgate.gate.outlook import describe, detectable, gate_outlook, standard_error, student_quantile
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import policy_for
from perfgate.scenario import parse_scenario

SCENARIO = parse_scenario(
    {
        "name": "test",
        "duration": {"total_seconds": 300},
        "arrival": {"pattern": "constant", "rate": 1200},
        "operations": {"store_weight": 1, "recall_weight": 1, "embedding_search_weight": 1},
        "data": {"num_nodes": 1000, "embedding_dim": 8},
    }
)


def test_the_error_at_400_requests_a_second_is_what_the_simulated_power_implies() -> None:
    error = standard_error(3_600, restart_sd=0.03, pairs=30, trim=0.1)
    assert error == pytest.approx(0.0128, abs=0.0003)
    power = stats.norm.cdf((math.log(1.07) - math.log(1.05)) / error)
    assert power == pytest.approx(0.93, abs=0.02)


@given(st.floats(0.5, 0.999), st.integers(4, 60))
def test_the_expansion_of_students_t_is_within_three_percent(probability: float, freedom: int) -> None:
    assert student_quantile(probability, freedom) == pytest.approx(
        stats.t.ppf(probability, freedom), rel=0.03, abs=1e-9
    )


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 0.1))
def test_more_requests_never_see_less(one: int, two: int, restart_sd: float) -> None:
    few, many = sorted((one, two))
    assert detectable(Policy(), many, restart_sd, 3) <= detectable(Policy(), few, restart_sd, 3)


@given(st.integers(1, 10**7), st.floats(0, 0.1))
def test_nothing_below_the_margin_is_ever_promised(requests: int, restart_sd: float) -> None:
    assert detectable(Policy(), requests, restart_sd, 3) > Policy().margin


@pytest.mark.parametrize("looks", [(2,), (1,)])
def test_too_few_pairs_see_nothing(looks: tuple[int, ...]) -> None:
    assert math.isinf(detectable(dataclasses.replace(Policy(), looks=looks), 3_600, 0.03, 3))


def test_no_requests_see_nothing_and_the_text_says_so() -> None:
    outlook = gate_outlook(SCENARIO, Policy(), mean_rate=0.0)
    assert all("nothing" in line for line in describe(outlook) if "recall" in line)


def test_the_outlook_covers_every_operation_and_the_time_of_all_looks() -> None:
    outlook = gate_outlook(SCENARIO, Policy(), mean_rate=1200)
    assert [sight.requests for sight in outlook.sights] == [3_600] * 3
    assert outlook.longest_ns == 30 * (2 + 2 * 10) * 1_000_000_000
    assert outlook.shortest_ns == 12 * (2 + 2 * 10) * 1_000_000_000
    assert "12 to 30 pairs" in describe(outlook)[0]
    duet = gate_outlook(SCENARIO, policy_for({}, mode="duet"), mean_rate=1200)
    assert duet.longest_ns == 36 * (2 + 20) * 1_000_000_000
    assert [sight.requests for sight in duet.sights] == [6_400] * 3
