from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
import pytest
from dataset_values import scenario
from store_process import JSON, StoreProcess, running_store

from perfgate.dataset import Dataset, build_dataset, node_id, stored_id
from perfgate.scenario.model import EmbeddingSpec

DIM = 64
MEMORIES = "/api/v1/memories"


def vector(position: int) -> list[float]:
    return np.eye(DIM)[position].tolist()


def memory(memory_id: str, content: str, position: int) -> dict[str, Any]:
    return {"id": memory_id, "content": content, "embedding": vector(position), "confidence": 0.95}


@pytest.fixture(scope="module")
def store() -> Iterator[StoreProcess]:
    with running_store("--dim", str(DIM)) as started:
        yield started


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    spec = EmbeddingSpec(kind="clustered", num_clusters=40)
    return build_dataset(scenario(2_000, DIM, spec), 1, tmp_path_factory.mktemp("data"), 200, 200)


def test_a_memory_is_got_counted_and_recalled_by_text_and_by_embedding(store: StoreProcess) -> None:
    status, body = store.remember(memory("tea", "Green tea from Uji", 0), "walk")
    assert (status, body["memory_id"], body["storage_confidence"]["value"]) == (201, "tea", 0.95)
    store.remember(memory("rain", "rain on a tin roof", 1), "walk")
    got = store.ask("GET", f"{MEMORIES}/tea", headers={"X-Memory-Space": "walk"})
    assert got == (200, {"id": "tea", "content": "Green tea from Uji", "confidence": 0.95})
    assert store.count("walk") == 2
    assert store.recall("query=uji%20tea&max_results=10", "walk") == ["tea"]
    assert store.recall(f"embedding={quote(str(vector(1)))}&max_results=1", "walk") == ["rain"]
    assert store.ask("GET", "/health/alive") == (200, None)


def test_an_embedding_may_be_sent_with_and_without_percent_encoding(store: StoreProcess) -> None:
    store.remember(memory("a", "alpha", 2), "encoded")
    bare = str(vector(2)).replace(" ", "")
    for text in (bare, quote(bare), quote(bare, safe="")):
        assert store.recall(f"embedding={text}", "encoded") == ["a"]


def test_query_wins_over_embedding(store: StoreProcess) -> None:
    store.remember(memory("words", "unicorn", 3), "both")
    store.remember(memory("numbers", "something else", 4), "both")
    assert store.recall(f"query=unicorn&embedding={quote(str(vector(4)))}", "both") == ["words"]


def test_storing_an_id_again_replaces_the_memory(store: StoreProcess) -> None:
    store.remember(memory("x", "old words", 5), "again")
    store.remember(memory("x", "new thing", 6), "again")
    assert store.count("again") == 1
    assert store.ask("GET", f"{MEMORIES}/x", headers={"X-Memory-Space": "again"})[1]["content"] == "new thing"
    assert store.recall("query=old", "again") == []
    assert store.recall("query=thing", "again") == ["x"]
    scores = store.ask(
        "GET", f"{MEMORIES}/recall?embedding={quote(str(vector(6)))}", headers={"X-Memory-Space": "again"}
    )
    assert scores[1]["memories"]["vivid"][0]["similarity_score"] == pytest.approx(1, abs=0.01)


def test_memory_spaces_know_nothing_of_each_other(store: StoreProcess) -> None:
    store.remember(memory("mine", "shared word", 7), "space-one")
    store.remember(memory("yours", "shared word", 7), "space_two")
    assert store.recall("query=shared", "space-one") == ["mine"]
    assert store.recall(f"embedding={quote(str(vector(7)))}", "space_two") == ["yours"]
    assert store.ask("GET", f"{MEMORIES}/mine", headers={"X-Memory-Space": "space_two"})[0] == 404


def test_health_without_a_space_counts_all(store: StoreProcess) -> None:
    store.remember(memory("n", "one", 8), "health-a")
    store.remember(memory("n", "one", 8), "health-b")
    spaces = store.ask("GET", "/api/v1/system/health")[1]["spaces"]
    assert {"space": "health-a", "memories": 1} in spaces
    assert {"space": "health-b", "memories": 1} in spaces


def test_results_below_the_threshold_are_left_out(store: StoreProcess) -> None:
    store.remember(memory("near", "one", 9), "limits")
    store.remember(memory("far", "two", 10), "limits")
    question = f"embedding={quote(str(vector(9)))}"
    assert store.recall(question, "limits") == ["near", "far"]
    assert store.recall(f"{question}&threshold=0.5", "limits") == ["near"]
    assert store.recall(f"{question}&max_results=1", "limits") == ["near"]


def test_a_batch_is_stored_whole_or_not_at_all(store: StoreProcess) -> None:
    headers = {**JSON, "X-Memory-Space": "batch"}
    good = [memory(f"b{i}", f"batch {i}", i) for i in range(5)]
    bad = [memory("c", "fine", 1), {"id": "d", "content": "no embedding"}]
    path = f"{MEMORIES}/remember_batch"
    assert store.ask("POST", path, orjson.dumps({"memories": good}), headers) == (201, {"stored": 5})
    assert store.ask("POST", path, orjson.dumps({"memories": bad}), headers)[0] == 400
    assert store.count("batch") == 5


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"embedding": []}, 400, "INVALID_EMBEDDING"),
        ({"embedding": [1.0]}, 400, "INVALID_EMBEDDING"),
        ({"embedding": None}, 400, "INVALID_EMBEDDING"),
        ({"embedding": ["x"] * DIM}, 400, "INVALID_EMBEDDING"),
        ({"embedding": [None] * DIM}, 400, "INVALID_EMBEDDING"),
        ({"embedding": [[1.0]] * DIM}, 400, "INVALID_EMBEDDING"),
        ({"content": " "}, 400, "INVALID_CONTENT"),
        ({"content": None}, 422, "MISSING_FIELD"),
        ({"id": 5}, 400, "INVALID_ID"),
    ],
)
def test_a_wrong_memory_is_refused_and_not_stored(
    store: StoreProcess, change: dict[str, Any], status: int, code: str
) -> None:
    got, body = store.remember({**memory("wrong", "words", 0), **change}, "refused")
    assert (got, body["error"]["code"]) == (status, code)
    assert store.count("refused") == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/remember", b"{broken", JSON, 400),
        ("POST", "/remember", b"[]", JSON, 400),
        ("POST", "/remember", b"{}", {"Content-Type": "text/plain"}, 415),
        ("POST", "/remember", b"{}", {}, 415),
        ("POST", "/remember", orjson.dumps(memory("a", "b", 0)), {**JSON, "X-Memory-Space": "no/such"}, 400),
        ("POST", "/remember", b'"%b"' % (b"x" * 3_200_000), JSON, 413),
        ("GET", "/recall", None, {}, 400),
        ("GET", "/recall?query=", None, {}, 400),
        ("GET", "/recall?embedding=[1,2]", None, {}, 400),
        ("GET", "/recall?embedding=[1,", None, {}, 400),
        ("GET", "/recall?query=a&max_results=x", None, {}, 400),
        ("GET", "/recall?query=a&max_results=nan", None, {}, 400),
        ("GET", "/recall?query=a&max_results=0", None, {}, 400),
        ("GET", f"/recall?embedding={quote(str(vector(0)))}&ef=nan", None, {}, 400),
        ("GET", f"/recall?embedding={quote(str(vector(0)))}&ef=-1", None, {}, 400),
        ("GET", "/recall?query=" + "a" * 65_600, None, {}, 414),
        ("GET", "/recall?query=" + "a" * 200_000, None, {}, 414),
        ("GET", "/nobody", None, {}, 404),
        ("PUT", "/remember", b"{}", JSON, 404),
    ],
)
def test_a_bad_request_gets_its_status_and_a_message(
    store: StoreProcess, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    got, answer = store.ask(method, f"{MEMORIES}{path}", body, headers)
    assert got == status
    assert answer["error"]["message"]
    assert store.ask("GET", "/health/alive")[0] == 200


def test_a_url_of_65_534_bytes_is_accepted(store: StoreProcess) -> None:
    path = f"{MEMORIES}/recall?query="
    assert store.ask("GET", path + "a" * (65_534 - len(path)))[0] == 200


def test_requests_in_one_packet_are_answered_in_order(store: StoreProcess) -> None:
    with socket.create_connection(("127.0.0.1", store.port), timeout=20) as connection:
        ask = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"
        paths = ["/health/alive", f"{MEMORIES}/nobody", "/health/alive"]
        connection.sendall("".join(ask.format(path) for path in paths).encode())
        received = b""
        while received.count(b"HTTP/1.1 ") < 3:
            received += connection.recv(65_536)
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"]


def recall_share(store: StoreProcess, dataset: Dataset, effort: int) -> float:
    found = 0
    for query in range(0, 200, 4):
        question = f"embedding={bytes(dataset.encoded_query(query)).decode()}&max_results=10&ef={effort}"
        found += len(set(store.recall(question, "truth")) & {node_id(node) for node in dataset.truth[query]})
    return found / (10 * 50)


def test_searches_find_the_true_neighbours_while_memories_are_stored(store: StoreProcess, dataset: Dataset) -> None:
    def load(numbers: range, name: Any, text: Any, encoded: Any) -> None:
        memories = [
            b'{"id":"%b","content":"%b","embedding":%b,"confidence":0.95}'
            % (name(i).encode(), text(i).encode(), bytes(encoded(i)))
            for i in numbers
        ]
        body = b'{"memories":[%b]}' % b",".join(memories)
        headers = {**JSON, "X-Memory-Space": "truth"}
        assert store.ask("POST", f"{MEMORIES}/remember_batch", body, headers)[0] == 201

    load(range(2_000), node_id, dataset.text, dataset.encoded_node)
    load(range(200), stored_id, dataset.pool_text, dataset.encoded_pool)
    assert store.count("truth") == 2_200
    found = 0
    for query in range(0, 200, 4):
        ids = store.recall(f"embedding={bytes(dataset.encoded_query(query)).decode()}&max_results=10", "truth")
        found += len(set(ids) & {node_id(node) for node in dataset.truth[query]})
    assert found >= 0.95 * 10 * 50
    shares = {effort: recall_share(store, dataset, effort) for effort in (1, 500)}
    assert shares[1] < shares[500]
    assert shares[500] > 0.99
    for node in range(0, 2_000, 97):
        assert store.recall(f"query={quote(dataset.query_text(node))}", "truth")[0] == node_id(node)
