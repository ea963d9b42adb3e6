"""Recalls that follow stores: each the recall of a stored memory, a fixed time after, whoever holds which lanes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedded_store import data_of, embedded, running_store
from perfgate_agent.probe import exchange

from perfgate.address import Address
from perfgate.dataset import stored_id
from perfgate.operation import OPERATIONS, Operation
from perfgate.outcome import Outcome
from perfgate.plan import LANES, Plan
from perfgate.requests import FOLLOWER, Requests
from perfgate.scenario import parse_scenario
from perfgate.targets.adapter import make_adapter

S = 1_000_000_000
STORE, RECALL = OPERATIONS.index(Operation.STORE), OPERATIONS.index(Operation.RECALL)
everything = range(LANES)


def plan(probability: float = 0.5, delay_ms: float = 300, rate: float = 400, spaces: int = 1, **more: Any) -> Plan:
    document = {
        "name": "correlated",
        "duration": {"total_seconds": 20},
        "arrival": {"pattern": "poisson", "rate": rate},
        "operations": {"store_weight": 1, "recall_weight": 1, "embedding_search_weight": 1},
        "correlation": {"store_to_recall_prob": probability, "delay_ms": delay_ms},
        "data": {"num_nodes": 400, "embedding_dim": 16, "memory_spaces": spaces},
    }
    return Plan(parse_scenario({**document, **more}), 3)


def split(requests: Requests) -> tuple[Requests, Requests]:
    """Arrivals and followers."""
    return requests.take(np.flatnonzero(requests.key >= 0)), requests.take(np.flatnonzero(requests.key < 0))


@pytest.mark.parametrize("delay_ms", [0, 40, 1_000, 2_750])
def test_each_follower_recalls_what_its_store_has_sent_the_delay_before_in_its_lane(delay_ms: float) -> None:
    arrivals, followers = split(plan(delay_ms=delay_ms).window(everything, 0, 20 * S))
    stores = {
        index: (time, lane)
        for time, operation, index, lane in zip(
            arrivals.time_ns.tolist(), arrivals.operation.tolist(), arrivals.index.tolist(), arrivals.lane.tolist(),
            strict=True,
        )
        if operation == STORE
    }  # fmt: skip
    assert len(followers) > 500
    assert set(followers.operation.tolist()) == {RECALL}
    for time, index, key, lane in zip(
        followers.time_ns.tolist(), followers.index.tolist(), followers.key.tolist(), followers.lane.tolist(), strict=True
    ):  # fmt: skip
        assert index == FOLLOWER + ~key
        assert (time - round(delay_ms * 1e6), lane) == stores[~key]
        assert index % LANES == lane


def test_as_many_stores_are_followed_as_the_probability_says() -> None:
    arrivals, followers = split(plan(0.3, delay_ms=0).window(everything, 0, 20 * S))
    stores = int((arrivals.operation == STORE).sum())
    assert abs(len(followers) - 0.3 * stores) < 5 * np.sqrt(0.21 * stores)
    every = split(plan(1, delay_ms=0).window(everything, 0, 20 * S))[1]
    assert len(every) == stores


def test_followers_come_on_top_and_change_nothing_else() -> None:
    arrivals, _ = split(plan().window(everything, 0, 5 * S))
    alone = plan(0).window(everything, 0, 5 * S)
    for name in ("time_ns", "operation", "index", "key", "checked", "lane"):
        assert getattr(arrivals, name).tolist() == getattr(alone, name).tolist()


def test_a_far_window_needs_nothing_of_what_came_before() -> None:
    walked, jumped = plan(delay_ms=2_750), plan(delay_ms=2_750)
    for second in range(12):
        walked.window(everything, second * S, (second + 1) * S)
    one, two = (each.window(everything, 12 * S + 1, 13 * S + 7) for each in (walked, jumped))
    assert one.index.tolist() == two.index.tolist()
    assert one.time_ns.tolist() == two.time_ns.tolist()


def test_recalls_of_what_was_stored_before_a_process_began_can_be_left_out() -> None:
    correlated = plan(delay_ms=300)
    whole = correlated.window(everything, 5 * S, 7 * S)
    fresh = correlated.window(everything, 5 * S, 7 * S, since_ns=5 * S)
    left_out = (whole.key < 0) & (whole.time_ns < 5 * S + 300_000_000)
    assert left_out.sum() > 10
    assert fresh.index.tolist() == whole.index[~left_out].tolist()


def test_the_expected_rate_and_shares_count_the_followers() -> None:
    correlated = plan(0.5, delay_ms=100)
    counts = correlated.counts().sum(axis=0)
    assert counts.sum() / 20 == pytest.approx(correlated.mean_rate, rel=0.02)
    shares = [correlated.scenario.weights.get(operation, 0.0) for operation in OPERATIONS]
    assert (counts / counts.sum()).tolist() == pytest.approx(shares, abs=0.01)
    assert sum(shares) == pytest.approx(1)


def test_a_correlation_that_is_switched_off_is_none() -> None:
    off = plan(correlation={"enabled": False, "store_to_recall_prob": 1.0})
    assert off.scenario.correlation is None
    assert min(off.window(everything, 0, S).key) >= 0


@pytest.mark.parametrize("spaces", [1, 3])
async def test_the_built_in_store_finds_what_a_follower_asks_for(tmp_path: Path, spaces: int) -> None:
    correlated = plan(1, spaces=spaces, rate=100)
    data = data_of(correlated, tmp_path)
    arrivals, followers = split(correlated.window(everything, 0, 2 * S))
    keys = dict(zip(arrivals.index.tolist(), arrivals.key.tolist(), strict=True))
    async with running_store(16) as port:
        adapter = make_adapter(embedded(), data, "127.0.0.1", port)
        for key, index in list(zip(followers.key.tolist(), followers.index.tolist(), strict=True))[:20]:
            await exchange(Address("127.0.0.1", port), adapter.encode(Operation.STORE, keys[~key], ~key), 10)
            reply = await exchange(Address("127.0.0.1", port), adapter.encode(Operation.RECALL, key, index), 10)
            judged = adapter.judge(Operation.RECALL, key, index, *reply, deep=True)
            assert (judged.outcome, judged.found, judged.expected) == (Outcome.OK, 1, 1)
            assert stored_id(~key).encode() in reply[1]
