"""Memory spaces: whose request is whose, what a noisy neighbour adds, and how they are gathered for a report."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_digests import digest

from perfgate.errors import InputError
from perfgate.operation import OPERATIONS, Operation
from perfgate.plan import LANES, Plan, share_lanes
from perfgate.requests import FOLLOWER, NEIGHBOUR, Requests, stored_index, stored_key, stored_space
from perfgate.scenario import parse_scenario, scenario_from_json
from perfgate.spaces import GROUPS_MOST

S = 1_000_000_000
STORE, RECALL = OPERATIONS.index(Operation.STORE), OPERATIONS.index(Operation.RECALL)
EIGHT = {"count": 8, "distribution": "zipf", "exponent": 1.0}
everything = range(LANES)


def document(spaces: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "name": "spaces",
        "duration": {"total_seconds": 30},
        "arrival": {"pattern": "poisson", "rate": 500.0},
        "operations": {"store_weight": 1, "recall_weight": 1, "embedding_search_weight": 1},
        "data": {"num_nodes": 500, "embedding_dim": 16},
        **({"spaces": spaces} if spaces else {}),
        **more,
    }


def plan(spaces: dict[str, Any] | None = None, **more: Any) -> Plan:
    return Plan(parse_scenario(document(spaces, **more)), 3)


def noisy(**more: Any) -> Plan:
    return plan(EIGHT, noisy_neighbour={"space": 2, "factor": 10.0, "sent": True, **more})


def same(left: Requests, right: Requests) -> bool:
    columns = [field.name for field in dataclasses.fields(Requests)]
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in columns)


def test_without_spaces_and_with_one_the_plan_is_the_one_it_always_was() -> None:
    assert digest(plan()) == "defc374a7cbad075"
    assert digest(plan({"count": 1})) == "defc374a7cbad075"


def test_a_plan_with_spaces_stays_the_same_bit_by_bit() -> None:
    assert digest(plan(EIGHT)) == "a9aa7b3a50ab2c3d"
    assert digest(plan(EIGHT, correlation={"store_to_recall_prob": 0.5, "delay_ms": 40})) == "c4f785710edf4a5f"


def test_spaces_change_nothing_but_the_keys() -> None:
    plain, spread = (one.window(everything, 0, 20 * S) for one in (plan(), plan(EIGHT)))
    for name in ("time_ns", "operation", "index", "checked", "lane"):
        assert np.array_equal(getattr(plain, name), getattr(spread, name))


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 300), exponent=st.floats(0.1, 3), weights=st.lists(st.floats(0.01, 1), min_size=1, max_size=12),
    parties=st.lists(st.floats(0.1, 5), min_size=1, max_size=9), start=st.integers(0, 4 * S),
)  # fmt: skip
def test_the_space_of_an_arrival_does_not_depend_on_who_sends_it(
    count: int, exponent: float, weights: list[float], parties: list[float], start: int
) -> None:
    for spaces in (
        {"count": count, "distribution": "zipf", "exponent": exponent},
        {"count": len(weights), "weights": weights},
    ):
        one = plan(spaces)
        whole = one.window(everything, start, start + S)
        parts = [plan(spaces).window(lanes, start, start + S) for lanes in share_lanes(LANES, parties)]
        joined = Requests.join(parts)
        assert same(whole, joined.take(np.lexsort((joined.index, joined.time_ns))))
        assert whole.key.max(initial=0) < max(500, one.store_pool)


@pytest.mark.parametrize(
    ("spaces", "shares"),
    [
        (EIGHT, [(1 / rank) / sum(1 / other for other in range(1, 9)) for rank in range(1, 9)]),
        ({"count": 4}, [0.25] * 4),
        ({"count": 3, "weights": [6, 0, 2]}, [0.75, 0, 0.25]),
    ],
)  # fmt: skip
def test_spaces_get_their_shares_of_each_operation(spaces: dict[str, Any], shares: list[float]) -> None:
    asked = plan(spaces, arrival={"pattern": "constant", "rate": 5_000}).window(everything, 0, 12 * S)
    for code in range(3):
        mine = asked.key[asked.operation == code] % len(shares)
        seen = np.bincount(mine, minlength=len(shares)) / len(mine)
        assert np.abs(seen - shares).max() < 5 * 0.5 / len(mine) ** 0.5


def test_a_follower_asks_in_the_space_of_its_store() -> None:
    correlated = plan(EIGHT, correlation={"store_to_recall_prob": 1, "delay_ms": 50})
    sent = correlated.window(everything, 0, 10 * S)
    stores = {
        index: key % 8 for index, key, code in zip(sent.index, sent.key, sent.operation, strict=True) if code == STORE
    }
    followers = [int(key) for key in sent.key[sent.key < 0]]
    assert len(followers) > 1_000
    for key in followers:
        assert stored_space(key) == stores[stored_index(key)]


@given(index=st.integers(0, FOLLOWER - 1), space=st.one_of(st.none(), st.integers(0, 999)))
def test_a_stored_key_names_its_index_and_space(index: int, space: int | None) -> None:
    key = stored_key(index, space)
    assert -(2**63) <= key < 0
    assert (stored_index(key), stored_space(key)) == (index, space)


@pytest.mark.parametrize("spaces", [None, EIGHT])
def test_hot_keys_follow_their_law_and_nothing_else_changes(spaces: dict[str, Any] | None) -> None:
    """The hottest key of 500 gets 1 / H(500) = 14.7 % of the recalls at exponent 1, and each is still asked for."""
    busy = {"arrival": {"pattern": "constant", "rate": 4_000}}
    plain, hot = (
        plan(spaces, **busy, **more).window(everything, 0, 20 * S) for more in ({}, {"keys": {"distribution": "zipf"}})
    )
    for name in ("time_ns", "operation", "index", "checked", "lane"):
        assert np.array_equal(getattr(plain, name), getattr(hot, name))
    recalls = hot.key[hot.operation == RECALL]
    counts = np.sort(np.bincount(recalls, minlength=500))[::-1]
    if spaces is None:
        expected = np.arange(1, 501.0) ** -1 / (np.arange(1, 501.0) ** -1).sum()
        assert np.abs(counts[:50] / len(recalls) - expected[:50]).max() < 6 * (0.15 / len(recalls)) ** 0.5
        assert counts[-1] > 0
    assert counts[0] > 5 * np.bincount(plain.key[plain.operation == RECALL]).max() / 2
    stores = hot.operation == STORE
    assert np.array_equal(hot.key[stores], plain.key[stores])


def test_the_neighbour_adds_nine_times_its_own_rate_and_changes_nothing_else() -> None:
    calm, loud = (noisy().window(everything, 0, 20 * S, neighbour=on) for on in (False, True))
    assert same(calm, plan(EIGHT).window(everything, 0, 20 * S))
    own = loud.take(np.flatnonzero(loud.index < NEIGHBOUR))
    assert same(own, calm)
    extra = loud.take(np.flatnonzero(loud.index >= NEIGHBOUR))
    assert set((extra.key % 8).tolist()) == {2}
    share = noisy().scenario.spaces.shares[2]  # type: ignore[union-attr]
    expected = 9 * share * 500 * 20
    assert abs(len(extra) - expected) < 5 * expected**0.5
    assert set(extra.operation.tolist()) == {0, 1, 2}
    assert np.all(np.diff(loud.time_ns) >= 0)
    assert len(set(extra.index.tolist())) == len(extra)


def test_the_neighbour_is_the_same_however_lanes_are_shared_and_windows_cut() -> None:
    whole = noisy().window(everything, 0, 3 * S, neighbour=True)
    halves = [noisy().window(lanes, 0, 3 * S, neighbour=True) for lanes in share_lanes(LANES, [1, 2])]
    assert sorted(whole.index.tolist()) == sorted(index for half in halves for index in half.index.tolist())
    cut = [noisy().window(everything, at, at + S // 2, neighbour=True) for at in range(0, 3 * S, S // 2)]
    assert same(whole, Requests.join(cut))


def test_nobody_is_sent_the_neighbour_unless_that_was_asked_for() -> None:
    quiet = noisy(sent=False)
    assert quiet.extra_share == 0
    assert same(quiet.window(everything, 0, S, neighbour=True), plan(EIGHT).window(everything, 0, S))


def test_the_fastest_second_counts_the_neighbour() -> None:
    calm, loud = noisy(sent=False), noisy()
    assert loud.peak_rate(0, S) == pytest.approx(calm.peak_rate(0, S) * (1 + loud.extra_share))


def test_groups_are_few_and_each_key_is_in_one() -> None:
    few, many, loud = plan(EIGHT), plan({"count": 400, "distribution": "zipf"}), noisy()
    for one in (few, many, loud):
        assert one.grouping is not None
        assert len(one.grouping.names) <= GROUPS_MOST
        keys = np.array([*range(500), *(stored_key(index, index % len(one.grouping.group)) for index in range(500))])
        assert one.grouping.of_keys(keys).tolist() == [one.grouping.of(int(key)) for key in keys]
    assert few.grouping is not None
    assert few.grouping.names == tuple("01234567")
    assert many.grouping is not None
    assert many.grouping.names[-1] == "others"
    assert loud.grouping is not None
    assert loud.grouping.names == ("neighbour", "others")
    assert [loud.grouping.of(key) for key in range(8)] == [1, 1, 0, 1, 1, 1, 1, 1]
    assert plan().grouping is None


def test_a_scenario_with_spaces_means_the_same_after_the_wire() -> None:
    scenario = parse_scenario(document(EIGHT, noisy_neighbour={"space": 1}))
    assert scenario_from_json(scenario.source) == scenario
    assert scenario.data.memory_spaces == 8


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ({"spaces": {"count": 2_000}}, "spaces.count = 2000 must be at most 1,000"),
        ({"spaces": {"count": 2, "weights": [1]}}, "spaces.weights = .* must be a list of 2"),
        ({"spaces": {"count": 2, "weights": [0, 0]}}, "spaces.weights = .* greater than 0 somewhere"),
        ({"spaces": {"count": 2, "exponent": 2.0}}, "spaces.exponent = 2.0 must be left out"),
        ({"spaces": {"count": 2, "distribution": "zipff"}}, "spaces.distribution"),
        ({"noisy_neighbour": {"space": 1}}, "noisy_neighbour = .* left out where there is no .spaces."),
        ({"spaces": {"count": 2}, "noisy_neighbour": {"space": 2}}, "one of the spaces 0 to 1"),
        ({"spaces": {"count": 1}, "noisy_neighbour": {"space": 0}}, "nobody would be disturbed"),
        ({"spaces": {"count": 2, "weights": [1, 0]}, "noisy_neighbour": {"space": 1}}, "gives 1 nothing"),
        ({"spaces": {"count": 2}, "data": {"num_nodes": 500, "embedding_dim": 16, "memory_spaces": 3}}, "memory_spaces .3."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_message(tables: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        parse_scenario({**document(), **tables})
