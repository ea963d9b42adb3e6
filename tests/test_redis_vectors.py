"""The adapter for Redis vector sets: what is sent, and what replies come to. Real servers: the conformance suite."""

from __future__ import annotations

from functools import partial

import adapter_cases
import numpy as np
import orjson
import pytest

from perfgate.dataset import Dataset
from perfgate.errors import InputError
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import GOOD, Getter, Judgement
from perfgate.targets.load import target_from_json
from perfgate.targets.protocol import ERROR, VALUE, WireProtocol, protocol_of
from perfgate.targets.redis_vectors import RedisVectorsAdapter
from perfgate.targets.resp import command, decode

SEARCH, STORE = Operation.EMBEDDING_SEARCH, Operation.STORE
adapter_of = partial(adapter_cases.adapter_of, RedisVectorsAdapter, "redis")


def reply(results: list[tuple[str, float]]) -> bytes:
    """As VSIM … WITHSCORES answers."""
    return command(*(part for name, score in results for part in (name.encode(), repr(score).encode())))


def test_a_memory_is_one_element_with_its_vector_and_its_text(dataset: Dataset) -> None:
    adapter = adapter_of(dataset, m=8, ef_construction=77, quantization="Q8", space="s")
    name, key, kind, vector, identity, *rest = decode(adapter.encode(STORE, 4, 1234))
    assert (name, key, kind, identity) == (b"VADD", b"s", b"FP32", b"s1234")
    np.testing.assert_array_equal(np.frombuffer(vector, "<f4"), dataset.pool[4])
    assert rest[:6] == [b"Q8", b"EF", b"77", b"M", b"8", b"SETATTR"]
    assert orjson.loads(rest[6]) == {"text": dataset.pool_text(1234)}
    loaded = decode(adapter.encode_load(7))
    assert loaded[4] == b"n7"
    np.testing.assert_array_equal(np.frombuffer(loaded[3], "<f4"), dataset.nodes[7])


def test_a_search_asks_for_k_of_ef_candidates(dataset: Dataset) -> None:
    parts = decode(adapter_of(dataset, k=5, ef=33).encode(SEARCH, 2, 0))
    np.testing.assert_array_equal(np.frombuffer(parts.pop(3), "<f4"), dataset.queries[2])
    assert parts == [b"VSIM", b"perfgate", b"FP32", b"WITHSCORES", b"COUNT", b"5", b"EF", b"33"]


def test_each_memory_space_is_a_set_of_its_own_and_one_command_counts_them_all(three_spaces: Dataset) -> None:
    adapter = adapter_of(three_spaces)
    assert [decode(adapter.encode_load(node))[1] for node in range(4)] == [
        b"perfgate-0", b"perfgate-1", b"perfgate-2", b"perfgate-0",
    ]  # fmt: skip
    assert decode(adapter.encode(SEARCH, 5, 0))[1] == b"perfgate-2"
    name, _, number, *keys = decode(adapter.encode_count())
    assert (name, number, keys) == (b"EVAL", b"3", [b"perfgate-0", b"perfgate-1", b"perfgate-2"])


def test_answers_are_compared_with_the_truth(dataset: Dataset) -> None:
    adapter = adapter_of(dataset, k=10)
    truth = [f"n{node}" for node in dataset.truth[3]]
    found = [(name, 1 - place / 100) for place, name in enumerate([*truth[:7], "n900", "s5", "n901"])]
    assert adapter.judge(SEARCH, 3, 0, VALUE, reply(found), True) == Judgement(Outcome.OK, found=7, expected=10)
    assert adapter.judge(SEARCH, 3, 0, VALUE, reply(found), False) is GOOD


@pytest.mark.parametrize(
    ("operation", "status", "body", "outcome"),
    [
        (SEARCH, VALUE, b"*0\r\n", Outcome.WRONG_ANSWER),
        (SEARCH, VALUE, reply([("n1", 0.5), ("n2", 0.9)]), Outcome.WRONG_ANSWER),
        (SEARCH, VALUE, b"*1\r\n$2\r\nn1\r\n", Outcome.WRONG_ANSWER),
        (SEARCH, VALUE, b"*2\r\n$2\r\nn1\r\n$3\r\nfar\r\n", Outcome.WRONG_ANSWER),
        (SEARCH, VALUE, b"*2\r\n:1\r\n*0\r\n", Outcome.WRONG_ANSWER),
        (SEARCH, VALUE, b":1\r\n", Outcome.WRONG_ANSWER),
        (SEARCH, ERROR, b"-ERR Vector dimension mismatch - got 9 but set has 8\r\n", Outcome.BAD_STATUS),
        (STORE, VALUE, b":2\r\n", Outcome.WRONG_ANSWER),
        (STORE, VALUE, b"$-1\r\n", Outcome.WRONG_ANSWER),
        (STORE, ERROR, b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", Outcome.BAD_STATUS),
        (STORE, VALUE, b":1\r\n", Outcome.OK),
        (STORE, VALUE, b":0\r\n", Outcome.OK),
    ],
)
def test_other_replies_have_their_outcomes(
    dataset: Dataset, operation: Operation, status: int, body: bytes, outcome: Outcome
) -> None:
    judged = adapter_of(dataset).judge(operation, 0, 0, status, body, True)
    assert judged.outcome is outcome
    assert (judged.example != "") == (outcome is not Outcome.OK)


def test_a_reply_of_the_usual_shape_is_good_without_a_closer_look(dataset: Dataset) -> None:
    adapter = adapter_of(dataset)
    for operation in adapter.operations:
        shape = adapter.shape(operation)
        assert adapter.judge(operation, 0, 0, shape.status, shape.first + b"1\r\n", False) is GOOD


def test_a_memory_is_got_by_its_id(dataset: Dataset) -> None:
    adapter = adapter_of(dataset)
    assert isinstance(adapter, Getter)
    assert decode(adapter.encode_get(3)) == [b"VEMB", b"perfgate", b"n3", b"RAW"]
    assert decode(adapter.encode_get(~12))[2] == b"s12"
    assert adapter.got(3, VALUE, b"*3\r\n+f32\r\n$0\r\n\r\n$1\r\n1\r\n")
    assert not adapter.got(3, VALUE, b"$-1\r\n")
    with pytest.raises(ValueError, match="WRONGTYPE"):
        adapter.got(3, ERROR, b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n")


def test_a_count_that_is_none_is_told(dataset: Dataset) -> None:
    adapter = adapter_of(dataset)
    assert decode(adapter.encode_count()) == [b"VCARD", b"perfgate"]
    assert adapter.read_count(VALUE, b":17\r\n") == 17
    for body in (b"-LOADING Redis is loading the dataset in memory\r\n", b"+QUEUED\r\n"):
        with pytest.raises(ValueError):
            adapter.read_count(ERROR, body)


def test_there_is_no_recall_since_texts_cannot_be_searched_for(dataset: Dataset) -> None:
    adapter = adapter_of(dataset)
    assert adapter.operations == {STORE, SEARCH}
    assert protocol_of(adapter) is WireProtocol.RESP
    with pytest.raises(InputError, match="recall, which adapter redis does not have; it has embedding_search, store"):
        target_from_json('{"name": "t", "adapter": "redis", "operations": ["recall"]}')
