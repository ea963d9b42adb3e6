"""The adapter for FalkorDB: its queries, and what replies come to. Real servers: the conformance suite."""

from __future__ import annotations

from functools import partial

import adapter_cases
import orjson
import pytest

from perfgate.dataset import Dataset
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import GOOD, Judgement
from perfgate.targets.falkordb import FalkorDbAdapter
from perfgate.targets.protocol import ERROR, VALUE
from perfgate.targets.resp import bulk, decode

SEARCH, STORE, RECALL = Operation.EMBEDDING_SEARCH, Operation.STORE, Operation.RECALL
STATISTICS = b"*1\r\n" + bulk(b"Cached execution: 1")
adapter_of = partial(adapter_cases.adapter_of, FalkorDbAdapter, "falkordb")


def reply(rows: list[list[bytes]]) -> bytes:
    """Columns, rows, statistics."""
    listed = b"".join(b"*%d\r\n" % len(row) + b"".join(map(bulk, row)) for row in rows)
    return b"*3\r\n*2\r\n" + bulk(b"node.id") + bulk(b"score") + b"*%d\r\n" % len(rows) + listed + STATISTICS


def results(*found: tuple[str, float]) -> bytes:
    return reply([[name.encode(), repr(score).encode()] for name, score in found])


def test_what_differs_from_request_to_request_are_parameters_alone(dataset: Dataset) -> None:
    """So that the plan of a query is found in the cache."""
    adapter = adapter_of(dataset, space="g")
    for operation, key in ((STORE, 4), (RECALL, 5), (SEARCH, 6)):
        texts = set()
        for number in range(3):
            name, graph, query = decode(adapter.encode(operation, key + number % 2, number))
            assert graph == b"g"
            assert name == (b"GRAPH.QUERY" if operation is STORE else b"GRAPH.RO_QUERY")
            assert query.startswith(b"CYPHER ")
            texts.add(query[query.index(b"MERGE" if operation is STORE else b"CALL") :])
        assert len(texts) == 1
    assert bytes(dataset.encoded_pool(4)) in adapter.encode(STORE, 4, 12)
    assert b'id="s12"' in adapter.encode(STORE, 4, 12)


def test_a_text_is_quoted_for_cypher(dataset: Dataset) -> None:
    query = decode(adapter_of(dataset).encode(RECALL, 5, 0))[2]
    assert query.startswith(b"CYPHER q=" + orjson.dumps(dataset.query_text(5)) + b" CALL ")


def test_each_memory_space_is_a_label_of_its_own(three_spaces: Dataset) -> None:
    adapter = adapter_of(three_spaces)
    assert all(f"'Memory{query}'".encode() in adapter.encode(SEARCH, query, 0) for query in range(3))
    assert adapter.load_batch == 1, "nodes that follow each other belong to different spaces"
    assert len(adapter.preparations()) == 3 * 3


def test_answers_are_compared_with_the_truth(dataset: Dataset) -> None:
    adapter = adapter_of(dataset)
    truth = [f"n{node}" for node in dataset.truth[3]]
    found = results(*((name, place / 100) for place, name in enumerate([*truth[:6], "n900", "n901", "n902", "s5"])))
    assert adapter.judge(SEARCH, 3, 0, VALUE, found, True) == Judgement(Outcome.OK, found=6, expected=10)
    assert adapter.judge(RECALL, 3, 0, VALUE, results(("n3", 8), ("n4", 2)), True) == Judgement(Outcome.OK, 1, 1)
    stored = b"*1\r\n*2\r\n" + bulk(b"Nodes created: 1") + bulk(b"Properties set: 3")
    assert adapter.judge(STORE, 3, 0, VALUE, stored, True) is GOOD
    assert adapter.judge(SEARCH, 3, 0, VALUE, found, False) is GOOD


@pytest.mark.parametrize(
    ("operation", "status", "body", "outcome"),
    [
        (SEARCH, VALUE, reply([]), Outcome.WRONG_ANSWER),
        (SEARCH, VALUE, results(("n1", 0.5), ("n2", 0.4)), Outcome.WRONG_ANSWER),
        (RECALL, VALUE, results(("n1", 1), ("n2", 2)), Outcome.WRONG_ANSWER),
        (SEARCH, VALUE, STATISTICS, Outcome.WRONG_ANSWER),
        (SEARCH, VALUE, b"*1\r\n-Query timed out\r\n", Outcome.WRONG_ANSWER),
        (STORE, VALUE, b"*1\r\n" + STATISTICS, Outcome.WRONG_ANSWER),
        (SEARCH, ERROR, b"-Vector dimension mismatch, expected 8 but got 9\r\n", Outcome.BAD_STATUS),
    ],
)
def test_other_replies_have_their_outcomes(
    dataset: Dataset, operation: Operation, status: int, body: bytes, outcome: Outcome
) -> None:
    judged = adapter_of(dataset).judge(operation, 0, 0, status, body, True)
    assert judged.outcome is outcome
    assert judged.example


def test_an_index_that_is_still_built_is_awaited(dataset: Dataset) -> None:
    adapter = adapter_of(dataset)
    assert adapter.finished(0, VALUE, reply([[b"Memory0", b"OPERATIONAL"]])) == ""
    behind = adapter.finished(0, VALUE, reply([[b"Memory0", b"[Indexing] 30/100: UNDER CONSTRUCTION"]]))
    assert "30/100" in behind
    assert adapter.prepared(0, ERROR, b"-Attribute 'id' is already indexed\r\n") == ""
    assert "syntax" in adapter.prepared(0, ERROR, b"-errMsg: Invalid input: syntax\r\n")


def test_a_count_that_is_none_is_told(dataset: Dataset) -> None:
    adapter = adapter_of(dataset)
    assert adapter.read_count(VALUE, b"*3\r\n*1\r\n" + bulk(b"count(m)") + b"*1\r\n*1\r\n:17\r\n" + STATISTICS) == 17
    for status, body in ((ERROR, b"-ERR Invalid graph operation on empty key\r\n"), (VALUE, STATISTICS)):
        with pytest.raises(ValueError):
            adapter.read_count(status, body)
