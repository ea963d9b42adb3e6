"""One suite for every store: what it acknowledges it holds, finds and counts; what cannot be has its own outcome.

The built-in store, Redis and PostgreSQL are in the quick suite; `make test-stores` asks all that are installed
(scripts/stores.sh), each started for real from its file in targets/.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from conformance import (
    CANDIDATES,
    DIM,
    LATER,
    LOADED,
    QUERIES,
    Candidate,
    Running,
    exact_order,
    real_data,
    searches_for_nodes,
)
from perfgate_agent.ask import ask
from perfgate_agent.loader import load_nodes
from perfgate_agent.populate import RunningStore, populate

from perfgate.errors import TargetError
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import Getter, make_adapter

UNKNOWN = ~(1 << 40)
LEAST_RECALL = 0.9
SEARCH = Operation.EMBEDDING_SEARCH
MARKS = [pytest.mark.stores, pytest.mark.timeout(600)]


def params() -> list[object]:
    return [pytest.param(one, id=one.name, marks=[] if one.quick else MARKS) for one in CANDIDATES]


@pytest.fixture(scope="module", params=params())
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    candidate: Candidate = request.param
    if candidate.missing:
        pytest.skip(candidate.missing)
    running = Running(candidate, tmp_path_factory.mktemp(candidate.name))
    try:
        running.start()
        yield running
    finally:
        running.close()


def test_all_that_was_loaded_is_counted_and_its_size_and_time_are_told(store: Running) -> None:
    assert store.count() == LOADED
    assert store.installed.memories == LOADED
    assert store.installed.load_ns > 0
    assert store.installed.bytes > LOADED * DIM
    assert store.progress[-1] == 1.0


def test_nine_of_ten_true_neighbours_are_found_among_real_vectors(store: Running) -> None:
    loaded = store.data.nodes[:LOADED]
    later = set(range(LOADED, LOADED + LATER))
    judged = [store.ask(SEARCH, query) for query in range(QUERIES)]
    assert {each.outcome for each in judged} == {Outcome.OK}, judged[0].example
    there = sum(len(set(store.data.truth[query].tolist()) - later) for query in range(QUERIES))
    assert (exact_order(store.data.queries, loaded)[:, 0] == store.data.truth[:, 0]).mean() > LEAST_RECALL
    assert sum(each.found for each in judged) >= LEAST_RECALL * there


def test_what_is_stored_is_counted_got_and_found_by_its_own_vector(store: Running) -> None:
    adapter = store.adapter_for(searches_for_nodes(store.data))
    before = store.count()
    later = range(before, LOADED + LATER)
    for node in later:
        assert adapter.loaded(*store.raw(adapter.encode_load(node), adapter)) == ""
    assert store.count() == LOADED + LATER
    for node in (0, LOADED // 2, *later):
        if isinstance(adapter, Getter) and (request := adapter.encode_get(node)) is not None:
            assert adapter.got(node, *store.raw(request, adapter))
        judged = store.ask(SEARCH, node, adapter=adapter)
        assert (judged.outcome, judged.found, judged.expected) == (Outcome.OK, 1, 1), judged.example


def test_the_operation_store_adds_a_memory_that_is_got_and_recalled(store: Running) -> None:
    before = store.count()
    for index in (3, 7):
        judged = store.ask(Operation.STORE, index, index)
        assert judged.outcome is Outcome.OK, judged.example
    assert store.count() == before + 2
    if isinstance(store.adapter, Getter) and (request := store.adapter.encode_get(~7)) is not None:
        assert store.adapter.got(~7, *store.raw(request))
    if Operation.RECALL in store.adapter.operations:
        judged = store.ask(Operation.RECALL, ~7)
        assert (judged.outcome, judged.found) == (Outcome.OK, 1), judged.example


def test_every_memory_is_recalled_by_its_text_where_the_store_can(store: Running) -> None:
    if Operation.RECALL not in store.adapter.operations:
        pytest.skip("it ranks no texts")
    judged = [store.ask(Operation.RECALL, node) for node in range(0, LOADED, 20)]
    assert {each.outcome for each in judged} == {Outcome.OK}
    assert sum(each.found for each in judged) >= LEAST_RECALL * len(judged)


def test_results_come_back_best_first(store: Running) -> None:
    """The first j of them are the j nearest, for each j."""
    judges = [store.adapter_for(store.data, k) for k in (1, 2, 3, 5)]
    shares = []
    for query in range(QUERIES):
        status, body = store.raw(store.adapter.encode(SEARCH, query, 0))
        judged = [each.judge(SEARCH, query, 0, status, body, deep=True) for each in judges]
        shares.append([each.found / each.expected for each in judged])
    assert (np.mean(shares, axis=0) >= LEAST_RECALL).all(), np.mean(shares, axis=0)


def test_an_unknown_id_is_told_as_missing(store: Running) -> None:
    if not isinstance(store.adapter, Getter) or (request := store.adapter.encode_get(UNKNOWN)) is None:
        pytest.skip("its file has no request for one memory")
    assert store.adapter.got(UNKNOWN, *store.raw(request)) is False


def test_a_vector_of_another_dimension_is_refused_and_harms_nothing(store: Running) -> None:
    _, other = real_data(store.directory / "cache", DIM + 1)
    adapter, before = store.adapter_for(other), store.count()
    for operation in (SEARCH,) if store.candidate.any_dimension else (Operation.STORE, SEARCH):
        judged = store.ask(operation, 0, 1 << 20, adapter)
        assert judged.outcome in (Outcome.BAD_STATUS, Outcome.WRONG_ANSWER), (operation, judged)
        assert judged.example
    assert store.count() == before
    assert store.ask(SEARCH, 0).outcome is Outcome.OK


def test_a_dead_store_is_nobody_answering_and_no_outcome_of_its_own(store: Running) -> None:
    """The last one of a store: it kills it."""
    request = store.adapter.encode_count()
    store.process.kill()
    store.do(store.process.wait())
    with pytest.raises(OSError):
        store.do(ask(store.adapter, store.address, request, 10.0))
    with pytest.raises(TargetError, match=str(store.address.port)):
        store.do(populate(RunningStore(store.target, store.scenario, store.data, store.address), lambda fraction: None))
    fresh = make_adapter(store.target, store.data, store.address.host, store.address.port)
    with pytest.raises(TargetError):
        store.do(load_nodes(fresh, store.address, LOADED, 2))
