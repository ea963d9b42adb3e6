"""The plan: the same requests however lanes are shared, whatever was asked before."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from arrival_cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

from perfgate.errors import InputError
from perfgate.operation import OPERATIONS, Operation
from perfgate.plan import CHECKED_SHARE, LANES, Plan, share_lanes
from perfgate.requests import Requests
from perfgate.scenario import Scenario, parse_scenario
from perfgate.scenario.model import MAX_STORE_POOL

S = 1_000_000_000
WEIGHTS = {"store_weight": 35, "recall_weight": 35, "embedding_search_weight": 30}
ARRIVALS: list[dict[str, Any]] = [table for table in CASES.values() if table["pattern"] != "replay"]
TABLES: list[dict[str, Any]] = [
    *({"arrival": table} for table in CASES.values()),
    {"correlation": {"store_to_recall_prob": 0.6, "delay_ms": 1_250}},
    {"arrival": CASES["composite"], "correlation": {"store_to_recall_prob": 1, "delay_sec": 0}},
    {
        "arrival": CASES["diurnal at random"],
        "operations": {
            "recall_weight": 1,
            "diurnal_schedule": [{"hours": [9, 17], "store_weight": 2, "recall_weight": 1}],
        },
        "correlation": {"delay_ms": 75},
    },
]
everything = range(LANES)


def scenario(arrival: dict[str, Any] | None = None, seconds: float = 5, **tables: Any) -> Scenario:
    document = {
        "name": "test",
        "duration": {"total_seconds": seconds},
        "arrival": arrival or ARRIVALS[0],
        "operations": WEIGHTS,
        "data": {"num_nodes": 5_000, "embedding_dim": 8},
    }
    document = {**document, **tables}
    if document["arrival"]["pattern"] == "replay":
        del document["operations"]
    return parse_scenario(document)


def rows(requests: Requests) -> list[tuple[Any, ...]]:
    """As tuples in the order of time and index."""
    arrays = [getattr(requests, field.name).tolist() for field in dataclasses.fields(requests)]
    return sorted(zip(*arrays, strict=True), key=lambda row: (row[0], row[2]))


plans = st.builds(
    lambda tables, seed: Plan(scenario(**tables), seed), st.sampled_from(TABLES), st.integers(0, 2**64 - 1)
)
times = st.integers(0, 8 * S)


@settings(max_examples=50, deadline=None)
@given(plans, st.lists(st.integers(0, 5), min_size=LANES, max_size=LANES), times, times)
def test_the_union_is_the_same_however_lanes_are_shared(plan: Plan, owner: list[int], one: int, two: int) -> None:
    start, end = sorted((one, two))
    shared = [
        rows(Plan(plan.scenario, plan.seed).window([lane for lane in everything if owner[lane] == who], start, end))
        for who in range(6)
    ]
    assert sorted(row for share in shared for row in share) == sorted(rows(plan.window(everything, start, end)))


@settings(max_examples=50, deadline=None)
@given(plans, st.lists(times, min_size=2, max_size=8, unique=True))
def test_windows_one_after_the_other_equal_the_whole(plan: Plan, cuts: list[int]) -> None:
    cuts.sort()
    parts = [rows(plan.window(everything, start, end)) for start, end in pairwise(cuts)]
    whole = Plan(plan.scenario, plan.seed).window(everything, cuts[0], cuts[-1])
    assert [row for part in parts for row in part] == rows(whole)


@settings(max_examples=30, deadline=None)
@given(plans, st.integers(0, 7 * S))
def test_a_window_is_sorted_and_inside_its_bounds(plan: Plan, start: int) -> None:
    end = start + S // 4
    window = plan.window(range(0, LANES, 2), start, end)
    order = list(zip(window.time_ns.tolist(), window.index.tolist(), strict=True))
    assert order == sorted(order)
    assert all(start <= time < end for time, _ in order)
    assert set(window.lane.tolist()) <= set(range(0, LANES, 2))


@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize("seconds", [3, 2.5])
def test_counts_are_those_of_the_windows(tables: dict[str, Any], seconds: float) -> None:
    plan = Plan(scenario(seconds=seconds, **tables), 11)
    counts = plan.counts()
    for second, row in enumerate(counts):
        window = plan.window(everything, second * S, min((second + 1) * S, plan.duration_ns))
        assert row.tolist() == np.bincount(window.operation, minlength=len(OPERATIONS)).tolist()
    assert len(counts) == 3


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_indices_are_dense_from_zero_in_order_of_time(arrival: dict[str, Any]) -> None:
    window = Plan(scenario(arrival), 4).window(everything, 0, 20 * S)
    assert window.index.tolist() == list(range(len(window)))


@given(st.integers(1, 3_000), st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_a_constant_rate_sends_its_rate_in_every_second(rate: int, second: int) -> None:
    plan = Plan(scenario({"pattern": "constant", "rate": rate}))
    assert len(plan.window(everything, second * S, (second + 1) * S)) == rate


def test_the_seed_scenario_sends_exactly_300_000_requests() -> None:
    counts = Plan(scenario({"pattern": "constant", "rate": 1000.0}, seconds=300)).counts()
    assert counts.sum() == 300_000
    assert counts.sum(axis=1).tolist() == [1000] * 300


def test_arrivals_go_on_after_the_duration() -> None:
    plan = Plan(scenario(seconds=5))
    assert len(plan.window(everything, 100 * S, 101 * S)) == 300


def test_an_empty_window_and_no_lanes_give_no_requests() -> None:
    plan = Plan(scenario())
    assert len(plan.window(everything, S, S)) == 0
    assert len(plan.window([], 0, 3 * S)) == 0
    assert len(plan.window(everything, 2 * S, S)) == 0


def test_another_seed_asks_for_something_else() -> None:
    one, two = (Plan(scenario(), seed).window(everything, 0, S) for seed in (1, 2))
    assert one.time_ns.tolist() == two.time_ns.tolist()
    assert one.operation.tolist() != two.operation.tolist()


def test_numpys_global_state_is_neither_read_nor_changed() -> None:
    np.random.seed(1)
    before = str(np.random.get_state())
    first = rows(Plan(scenario(CASES["poisson"])).window(everything, 0, S))
    assert str(np.random.get_state()) == before
    np.random.seed(2)
    assert rows(Plan(scenario(CASES["poisson"])).window(everything, 0, S)) == first


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-6, 1e6))
def test_the_scale_of_the_weights_changes_nothing(scale: float) -> None:
    scaled = {name: weight * scale for name, weight in WEIGHTS.items()}
    one, two = Plan(scenario()), Plan(scenario(operations=scaled))
    assert rows(one.window(everything, 0, 2 * S)) == rows(two.window(everything, 0, 2 * S))


def test_operations_and_checks_come_in_their_shares() -> None:
    window = Plan(scenario({"pattern": "constant", "rate": 20_000})).window(everything, 0, 5 * S)
    shares = np.bincount(window.operation, minlength=len(OPERATIONS)) / len(window)
    assert shares == pytest.approx([0.35, 0.35, 0.30, 0.0], abs=0.01)
    assert shares[OPERATIONS.index(Operation.PATTERN_COMPLETION)] == 0
    assert window.checked.mean() == pytest.approx(CHECKED_SHARE, abs=0.01)


def test_keys_stay_inside_what_they_point_to_and_use_all_of_it() -> None:
    plan = Plan(
        scenario({"pattern": "constant", "rate": 20_000}, operations={**WEIGHTS, "pattern_completion_weight": 30})
    )
    window = plan.window(everything, 0, 5 * S)
    sizes = {Operation.RECALL: 5_000, Operation.EMBEDDING_SEARCH: 2_000, Operation.PATTERN_COMPLETION: 2_000}
    for operation, size in sizes.items():
        keys = window.key[window.operation == OPERATIONS.index(operation)]
        assert keys.min() >= 0
        assert keys.max() < size
        assert len(np.unique(keys)) > 0.9 * size
    stored = window.operation == OPERATIONS.index(Operation.STORE)
    assert window.key[stored].tolist() == (window.index[stored] % plan.store_pool).tolist()


def test_one_operation_alone_is_all_there_is() -> None:
    window = Plan(scenario(operations={"embedding_search_weight": 3})).window(everything, 0, S)
    assert set(window.operation.tolist()) == {OPERATIONS.index(Operation.EMBEDDING_SEARCH)}


def test_pool_and_queries_are_bounded_and_never_empty() -> None:
    assert Plan(scenario()).store_pool == 1_500
    assert Plan(scenario(seconds=5_000)).store_pool == MAX_STORE_POOL
    assert Plan(scenario({"pattern": "constant", "rate": 0.01}, seconds=1)).store_pool == 1
    assert Plan(scenario(data={"num_nodes": 100, "embedding_dim": 8})).num_queries == 100


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_no_stream_can_take_is_refused(seed: int) -> None:
    with pytest.raises(InputError, match=f"seed = {seed} must be between"):
        Plan(scenario(), seed)


@pytest.mark.parametrize("lane", [-1, LANES])
def test_a_lane_that_does_not_exist_is_refused(lane: int) -> None:
    with pytest.raises(ValueError, match=f"lane {lane} does not exist"):
        Plan(scenario()).window([lane], 0, S)


def test_a_window_before_the_plan_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot start before"):
        Plan(scenario()).window(everything, -1, S)


@given(st.integers(0, 200), st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(lambda w: sum(w) > 1e-3))
def test_lanes_are_dealt_once_and_in_proportion(lanes: int, weights: list[float]) -> None:
    dealt = share_lanes(lanes, weights)
    assert sorted(lane for own in dealt for lane in own) == list(range(lanes))
    for own, weight in zip(dealt, weights, strict=True):
        assert abs(len(own) - lanes * weight / sum(weights)) < 1 + 1e-9
        assert weight > 0 or not own


@pytest.mark.parametrize("parties", [1, 2, 3, 4, 7])
def test_equal_parties_take_turns(parties: int) -> None:
    for own in share_lanes(LANES, [1.0] * parties):
        assert max(np.diff(own)) <= 2 * parties - 1


@pytest.mark.parametrize("weights", [[], [0, 0], [-1, 2], [float("nan")], [float("inf"), 1]])
def test_senseless_weights_of_parties_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        share_lanes(LANES, weights)


def test_fifty_million_arrivals_are_counted_exactly() -> None:
    plan = Plan(scenario({"pattern": "constant", "rate": 15_000}, seconds=3_600))
    assert plan.counts().sum() == 54_000_000
