"""The adapter for Engram's HTTP API: against the built-in store, which speaks it, and against replies that don't."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from dataset_values import scenario
from http_target import template
from hypothesis import given
from hypothesis import strategies as st
from perfgate_agent.loader import load_nodes
from perfgate_agent.probe import exchange
from store_process import StoreProcess, running_store

from perfgate.address import Address
from perfgate.dataset import Dataset, build_dataset, node_id, stored_id
from perfgate.operation import OPERATIONS, Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import Adapter, make_adapter
from perfgate.targets.engram import EngramAdapter
from perfgate.targets.load import load_target, target_from_json
from perfgate.targets.model import Target

NODES, QUERIES, DIM = 120, 30, 16
EMBEDDED = load_target(Path(__file__).parent.parent / "targets" / "embedded.toml")
READS = (Operation.RECALL, Operation.EMBEDDING_SEARCH)


def target(**options: Any) -> Target:
    return target_from_json(orjson.dumps({"name": "t", "adapter": "engram", "options": options}).decode())


def data(directory: Path, spaces: int = 1) -> Dataset:
    described = scenario(num_nodes=NODES, dim=DIM, memory_spaces=spaces)
    return build_dataset(described, 3, directory, store_pool=20, num_queries=QUERIES)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return data(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module", params=["engram", "http"])
def adapter(dataset: Dataset, request: pytest.FixtureRequest) -> Adapter:
    """The adapter written by hand, and the same interface described by a target file."""
    described = target() if request.param == "engram" else template(threshold=0.5)
    return make_adapter(described, dataset, "127.0.0.1", 7432)


@pytest.fixture(scope="module")
def store() -> Iterator[StoreProcess]:
    with running_store("--port", "0", "--dim", str(DIM)) as process:
        yield process


def split(request: bytes) -> tuple[str, str, dict[str, str], bytes]:
    """(method, target, headers, body) of one complete request."""
    head, body = request.split(b"\r\n\r\n", 1)
    first, *lines = head.decode("ascii").split("\r\n")
    method, url, version = first.split(" ")
    assert version == "HTTP/1.1"
    return method, url, dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize("spaces", [1, 3])
@pytest.mark.parametrize("kind", ["engram", "http", "http in bulk"])
async def test_what_is_loaded_is_found_again(tmp_path: Path, spaces: int, kind: str) -> None:
    """Every recall finds its memory and every search its true neighbours, before and after stores."""
    dataset = data(tmp_path, spaces)
    with running_store("--port", "0", "--dim", str(DIM)) as store:
        described = EMBEDDED if kind == "engram" else template(spaces, bulk="bulk" in kind)
        adapter = make_adapter(described, dataset, "127.0.0.1", store.port)

        async def ask(operation: Operation, key: int, index: int) -> tuple[int, int]:
            reply = await exchange(Address("127.0.0.1", store.port), adapter.encode(operation, key, index), 10)
            judged = adapter.judge(operation, key, index, *reply, deep=True)
            assert judged.outcome is Outcome.OK, judged
            return judged.found, judged.expected

        assert (await load_nodes(adapter, Address("127.0.0.1", store.port), NODES, 4)).count == NODES
        for _ in range(2):
            assert {await ask(Operation.RECALL, node, 0) for node in range(NODES)} == {(1, 1)}
            searches = [await ask(Operation.EMBEDDING_SEARCH, query, 0) for query in range(QUERIES)]
            assert {expected for _, expected in searches} == {10}
            assert sum(found for found, _ in searches) >= 9.9 * QUERIES
            for index in range(20):
                assert await ask(Operation.STORE, index, index) == (0, 0)
        status, body = await exchange(Address("127.0.0.1", store.port), adapter.encode_count(), 10)
        assert adapter.read_count(status, body) == NODES + 20


async def test_the_store_is_alive(adapter: Adapter, store: StoreProcess) -> None:
    status, _ = await exchange(Address("127.0.0.1", store.port), adapter.alive_request(), 10)
    assert status == 200


@pytest.mark.parametrize("operation", [*READS, Operation.STORE])
def test_a_request_is_complete_and_names_host_and_space(adapter: Adapter, operation: Operation) -> None:
    method, url, headers, body = split(adapter.encode(operation, 5, 77))
    assert method == ("POST" if operation is Operation.STORE else "GET")
    assert re.fullmatch(r"[A-Za-z0-9\-._~%!$&'()*+,;=:@/?]+", url), "what RFC 3986 allows in a path and query"
    assert headers["Host"] == "127.0.0.1:7432"
    assert headers["X-Memory-Space"] == "default"
    assert int(headers.get("Content-Length", 0)) == len(body)
    assert headers.get("Connection", "keep-alive") == "keep-alive"


def test_an_ipv6_host_stands_in_brackets(dataset: Dataset) -> None:
    request = make_adapter(target(), dataset, "::1", 80).alive_request()
    assert split(request)[2]["Host"] == "[::1]:80"


def test_a_store_carries_the_vector_the_text_and_a_confidence_that_recall_respects(
    adapter: Adapter, dataset: Dataset
) -> None:
    memory = orjson.loads(split(adapter.encode(Operation.STORE, 5, 77))[3])
    assert memory["id"] == stored_id(77)
    assert memory["content"] == dataset.pool_text(77)
    assert memory["confidence"] == 0.95
    assert memory["embedding"] == pytest.approx(dataset.pool[5], abs=1e-7)


def test_a_search_carries_the_vector_and_the_options(dataset: Dataset) -> None:
    adapter = make_adapter(target(max_results=7, threshold=0.25), dataset, "127.0.0.1", 1)
    query = parse_qs(urlsplit(split(adapter.encode(Operation.EMBEDDING_SEARCH, 3, 0))[1]).query)
    assert orjson.loads(query["embedding"][0]) == pytest.approx(dataset.queries[3], abs=1e-7)
    assert (query["max_results"], query["threshold"]) == (["7"], ["0.25"])


def test_a_recall_carries_the_text_of_its_node(adapter: Adapter, dataset: Dataset) -> None:
    query = parse_qs(urlsplit(split(adapter.encode(Operation.RECALL, 3, 0))[1]).query)
    assert query["query"] == [dataset.query_text(3)]


def test_requests_of_a_key_are_the_same_bytes_every_time(adapter: Adapter, dataset: Dataset) -> None:
    again = make_adapter(target(), dataset, "127.0.0.1", 7432)
    for operation in (Operation.STORE, *READS):
        assert adapter.encode(operation, 9, 11) == again.encode(operation, 9, 11)


def reply(*ids: Any, tier: str = "vivid") -> bytes:
    return orjson.dumps({"memories": {tier: [{"id": identity} for identity in ids]}})


def test_found_counts_the_true_neighbours_in_all_tiers(adapter: Adapter, dataset: Dataset) -> None:
    true = [node_id(int(node)) for node in dataset.truth[4]]
    body = orjson.dumps({"memories": {"vivid": [{"id": true[0]}], "associated": [{"id": true[9]}, {"id": "s1"}]}})
    judged = adapter.judge(Operation.EMBEDDING_SEARCH, 4, 0, 200, body, deep=True)
    assert (judged.outcome, judged.found, judged.expected) == (Outcome.OK, 2, 10)


def test_a_store_that_sends_more_than_asked_gains_nothing(adapter: Adapter, dataset: Dataset) -> None:
    true = [node_id(int(node)) for node in dataset.truth[4]]
    body = reply(*[f"s{number}" for number in range(10)], *true)
    assert adapter.judge(Operation.EMBEDDING_SEARCH, 4, 0, 200, body, deep=True).found == 0


def test_the_same_answer_ten_times_is_found_once(adapter: Adapter, dataset: Dataset) -> None:
    body = reply(*[node_id(int(dataset.truth[4][0]))] * 10)
    assert adapter.judge(Operation.EMBEDDING_SEARCH, 4, 0, 200, body, deep=True).found == 1


def test_a_recall_that_misses_its_memory_is_answered_but_not_found(adapter: Adapter) -> None:
    judged = adapter.judge(Operation.RECALL, 4, 0, 200, reply("n5", "n6"), deep=True)
    assert (judged.outcome, judged.found, judged.expected) == (Outcome.OK, 0, 1)


def test_a_reply_that_is_not_checked_deeply_counts_as_nothing_expected(adapter: Adapter) -> None:
    judged = adapter.judge(Operation.RECALL, 4, 0, 200, reply("n4"), deep=False)
    assert (judged.outcome, judged.found, judged.expected) == (Outcome.OK, 0, 0)


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"{}", b'{"memories":[]}', b'{"memories":null}', b'{"memories":{}}',
        b'{"memories":{"vivid":[]}}', b'{"memories":{"vivid":[{}]}}', b'{"memories":{"vivid":["n4"]}}',
        b'{"memories":{"vivid":[{"id":["n4"]}]}}', b'{"memories":{"vivid":null}}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_a_well_spoken_reply_without_an_answer_is_wrong(adapter: Adapter, operation: Operation, body: bytes) -> None:
    judged = adapter.judge(operation, 4, 0, 200, body, deep=True)
    assert judged.outcome is Outcome.WRONG_ANSWER
    assert judged.example.startswith(operation.value)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"memory_id":""}', b'{"memory_id":null}'])
def test_a_store_that_names_no_memory_is_wrong(adapter: Adapter, body: bytes) -> None:
    assert adapter.judge(Operation.STORE, 4, 0, 201, body, deep=True).outcome is Outcome.WRONG_ANSWER


@pytest.mark.parametrize(("operation", "status"), [(Operation.STORE, 200), (Operation.RECALL, 201), (READS[1], 302)])
def test_only_the_status_of_the_interface_is_good(adapter: Adapter, operation: Operation, status: int) -> None:
    judged = adapter.judge(operation, 4, 0, status, b"x" * 5_000, deep=False)
    assert judged.outcome is Outcome.BAD_STATUS
    assert f"status {status}" in judged.example
    assert len(judged.example) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5) | st.sampled_from(["n4", "s1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["memories", "vivid", "associated", "id", "memory_id", "spaces"]), inner)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=60) | JSON.map(orjson.dumps), st.sampled_from(OPERATIONS[:3]), st.booleans())
def test_no_reply_makes_the_judge_fail(adapter: Adapter, body: bytes, operation: Operation, deep: bool) -> None:
    status = 201 if operation is Operation.STORE else 200
    judged = adapter.judge(operation, 4, 0, status, body, deep)
    assert 0 <= judged.found <= judged.expected


@given(st.binary(max_size=60) | JSON.map(orjson.dumps), st.sampled_from([200, 503]))
def test_a_count_is_a_number_or_a_ValueError(adapter: Adapter, body: bytes, status: int) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(adapter.read_count(status, body), int)


def test_memories_that_are_all_there_but_in_the_wrong_space_are_not_a_count(tmp_path: Path) -> None:
    """Seven nodes dealt out over three spaces are 3, 2 and 2."""
    three = build_dataset(scenario(num_nodes=7, dim=8, memory_spaces=3), 3, tmp_path, store_pool=3, num_queries=7)
    one = EngramAdapter(EMBEDDED, three, "h", 1)

    def held(*counts: int) -> bytes:
        names = [one._name(number) for number in range(3)]
        return orjson.dumps(
            {"spaces": [{"space": name, "memories": count} for name, count in zip(names, counts, strict=True)]}
        )

    assert one.read_count(200, held(3, 2, 2)) == 7
    assert one.read_count(200, held(2, 1, 0)) == 3  # not loaded yet
    with pytest.raises(ValueError, match="-1 holds 3 memories instead of 2"):
        one.read_count(200, held(3, 3, 1))
