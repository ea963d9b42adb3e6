"""Templates of requests: the bytes and judgements of an adapter written by hand, and every mistake named at load time."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import orjson
import pytest
from dataset_values import scenario
from http_target import MEMORY, NEW, document, template
from hypothesis import given
from hypothesis import strategies as st

from perfgate.dataset import Dataset, build_dataset
from perfgate.errors import InputError
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.plan import LANES, Plan
from perfgate.targets import pieces
from perfgate.targets.adapter import Adapter, BatchLoader, Getter, Preparing, encode_block, make_adapter
from perfgate.targets.load import load_target, target_from_json
from perfgate.targets.model import Target

OPERATIONS = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)
NODES = 60


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    described = scenario(num_nodes=NODES, dim=8)
    return build_dataset(described, 3, tmp_path_factory.mktemp("data"), store_pool=20, num_queries=NODES)


@pytest.fixture(scope="module")
def by_hand(dataset: Dataset) -> Adapter:
    described = {"name": "t", "adapter": "engram", "options": {"threshold": 0.0}}
    return make_adapter(target_from_json(orjson.dumps(described).decode()), dataset, "127.0.0.1", 7432)


@pytest.fixture(scope="module")
def by_template(dataset: Dataset) -> Adapter:
    return make_adapter(template(), dataset, "127.0.0.1", 7432)


def changed(**requests: Any) -> Target:
    """The file with some requests replaced or, for None, left out; `prepare` and `ids` are keys of the file itself."""
    written = document()
    for name in ("prepare", "ids"):
        if name in requests:
            written[name] = requests.pop(name)
    written["requests"] = {name: what for name, what in {**written["requests"], **requests}.items() if what is not None}
    return target_from_json(orjson.dumps(written).decode())


@given(st.sampled_from(OPERATIONS), st.integers(0, 19), st.integers(0, 2**40))
def test_a_request_has_the_bytes_of_the_adapter_written_by_hand(
    by_hand: Adapter, by_template: Adapter, operation: Operation, key: int, index: int
) -> None:
    assert by_template.encode(operation, key, index) == by_hand.encode(operation, key, index)


def test_so_have_loads_counts_gets_readiness_and_recalls_of_what_was_stored(
    by_hand: Adapter, by_template: Adapter
) -> None:
    assert isinstance(by_hand, Getter)
    assert isinstance(by_template, Getter)
    assert by_template.encode_load(5) == by_hand.encode_load(5)
    assert by_template.encode_count() == by_hand.encode_count()
    assert by_template.alive_request() == by_hand.alive_request()
    for key in (7, ~7):
        assert by_template.encode_get(key) == by_hand.encode_get(key)
        assert by_template.encode(Operation.RECALL, key, 0) == by_hand.encode(Operation.RECALL, key, 0)
    for operation in OPERATIONS:
        assert by_template.shape(operation) == by_hand.shape(operation)


def test_a_block_is_the_requests_one_by_one(by_template: Adapter, by_hand: Adapter) -> None:
    weights = {Operation.STORE: 1.0, Operation.RECALL: 1.0, Operation.EMBEDDING_SEARCH: 1.0}
    plan = Plan(dataclasses.replace(scenario(num_nodes=NODES, dim=8), weights=weights))
    block = plan.window(range(LANES), 0, 30 * 10**9)
    block = dataclasses.replace(block, key=block.key % 20)
    whole, hand = encode_block(by_template, block), encode_block(by_hand, block)
    assert len(block) == 30
    assert whole[0] == hand[0]
    assert (whole[1] == hand[1]).all()
    assert (whole[2] == hand[2]).all()


IDS = st.sampled_from([f"n{node}" for node in range(NODES)] + ["s1", "s2"])
TIER = st.lists(st.fixed_dictionaries({"id": IDS}), max_size=6)
REPLY = st.fixed_dictionaries({}, optional={"memories": st.fixed_dictionaries(
    {}, optional={"vivid": TIER, "associated": TIER, "reconstructed": TIER}
)})  # fmt: skip


@given(REPLY, st.sampled_from(OPERATIONS[1:]), st.integers(0, 19), st.sampled_from([200, 201, 404]), st.booleans())
def test_a_reply_is_judged_as_by_the_adapter_written_by_hand(
    by_hand: Adapter, by_template: Adapter, reply: Any, operation: Operation, key: int, status: int, deep: bool
) -> None:
    body = orjson.dumps(reply)
    one, other = (each.judge(operation, key, 0, status, body, deep) for each in (by_hand, by_template))
    assert (one.outcome, one.found, one.expected) == (other.outcome, other.found, other.expected)


@given(st.text(max_size=30))
def test_every_text_survives_its_place(text: str) -> None:
    from urllib.parse import parse_qs, unquote

    assert orjson.loads(b'"' + pieces.in_json(text) + b'"') == text
    assert unquote(pieces.in_path(text).decode()) == text
    assert parse_qs("a=" + pieces.in_query(text).decode("ascii"), keep_blank_values=True)["a"] == [text]


def test_a_brace_is_a_brace_unless_a_name_stands_in_it() -> None:
    assert pieces.names('{"a":{"b":{vector}}} {Get{Item(limit:{k}){id distance}}} {{id}}') == ["vector", "k"]
    assert b"".join(pieces.fill("{{id}}{k}", {"k": 3}, "json")) == b"{id}3"  # type: ignore[arg-type]


@pytest.mark.parametrize(("form", "node", "stored"), [
    ("text", "n5", "s7"), ("number", "5", str(2**52 + 7)),
    ("uuid", "00000000-0000-8000-8000-000000000005", "00000000-0000-8000-9000-000000000007"),
])  # fmt: skip
def test_ids_are_written_and_recognized_in_their_form(dataset: Dataset, form: str, node: str, stored: str) -> None:
    body = MEMORY if form != "number" else MEMORY.replace('"{id}"', "{id}")
    adapter = make_adapter(changed(ids=form, store={"path": "/s", "body": body}), dataset, "h", 1)
    value = int if form == "number" else str
    assert orjson.loads(adapter.encode_load(5).partition(b"\r\n\r\n")[2])["id"] == value(node)
    assert orjson.loads(adapter.encode(Operation.STORE, 1, 7).partition(b"\r\n\r\n")[2])["id"] == value(stored)
    for key, identity in ((5, node), (~7, stored)):
        reply = orjson.dumps({"memories": {"vivid": [{"id": value(identity), "similarity_score": 1}]}})
        assert adapter.judge(Operation.RECALL, key, 0, 200, reply, deep=True).found == 1


def test_a_bulk_load_holds_several_and_one_space_at_a_time(tmp_path: Path) -> None:
    bulk = template(bulk=True)
    one = build_dataset(scenario(num_nodes=9, dim=8), 3, tmp_path, store_pool=1, num_queries=9)
    adapter = make_adapter(bulk, one, "h", 1)
    assert isinstance(adapter, BatchLoader)
    assert adapter.load_batch == 7
    request = adapter.encode_load_batch(range(2, 5))
    assert request is not None
    assert [memory["id"] for memory in orjson.loads(request.partition(b"\r\n\r\n")[2])["memories"]] == [
        "n2",
        "n3",
        "n4",
    ]
    three = build_dataset(scenario(num_nodes=9, dim=8, memory_spaces=3), 3, tmp_path, store_pool=3, num_queries=9)
    apart = make_adapter(template(3, bulk=True), three, "h", 1)
    assert isinstance(apart, BatchLoader)
    assert apart.load_batch == 1
    assert apart.encode_load_batch(range(3)) is None
    assert b"X-Memory-Space: default-2\r\n" in apart.encode_load(5)


def test_a_step_that_names_the_space_is_sent_once_for_each_and_a_refusal_is_told(tmp_path: Path) -> None:
    three = build_dataset(scenario(num_nodes=9, dim=8, memory_spaces=3), 3, tmp_path, store_pool=3, num_queries=9)
    steps = [
        {"method": "PUT", "path": "/all", "success": [200, 409]},
        {"method": "PUT", "path": "/one/{space}", "body": '{"size": {dim}}', "errors": {"error": "bad_status"}},
    ]
    adapter = make_adapter(changed(prepare=steps), three, "h", 1)
    assert isinstance(adapter, Preparing)
    requests = adapter.preparations()
    assert [request.split(b" ")[1] for request in requests] == [
        b"/all", b"/one/default-0", b"/one/default-1", b"/one/default-2",
    ]  # fmt: skip
    assert b"Content-Length: 0\r\n" in requests[0]
    assert requests[1].endswith(b'Content-Length: 11\r\n\r\n{"size": 8}')
    assert adapter.prepared(0, 409, b"") == ""
    assert "status 409" in adapter.prepared(1, 409, b"{}")
    assert "no disk" in adapter.prepared(3, 200, b'{"error": "no disk"}')
    assert adapter.prepared(3, 200, b'{"error": null}') == ""


def classified(errors: dict[str, str], status: int, reply: Any, dataset: Dataset) -> Outcome:
    search = {**document()["requests"]["embedding_search"], "errors": errors}
    adapter = make_adapter(changed(embedding_search=search), dataset, "h", 1)
    return adapter.judge(Operation.EMBEDDING_SEARCH, 3, 0, status, orjson.dumps(reply), deep=True).outcome


def test_failures_are_classified_by_status_and_by_what_the_body_says(dataset: Dataset) -> None:
    errors = {"503": "refused", "error.code": "timeout"}
    good = {"memories": {"vivid": [{"id": "n1", "similarity_score": 1}]}}
    assert classified(errors, 200, good, dataset) is Outcome.OK
    assert classified(errors, 200, {**good, "error": {"code": 0}}, dataset) is Outcome.OK
    assert classified(errors, 200, {**good, "error": {"code": 7}}, dataset) is Outcome.TIMEOUT
    assert classified(errors, 503, {}, dataset) is Outcome.REFUSED
    assert classified(errors, 500, {"error": {"code": "slow"}}, dataset) is Outcome.TIMEOUT
    assert classified(errors, 500, {"error": "plain"}, dataset) is Outcome.BAD_STATUS


@pytest.mark.parametrize("scores", [[0.5, 0.9, 0.7], [1], [1, 2, "3"], [1, 2, True], []])
def test_scores_that_do_not_fit_their_results_are_a_wrong_answer(dataset: Dataset, scores: list[Any]) -> None:
    search = {"path": "/{vector}", "ids": "ids[*]", "scores": "scores[*]"}
    adapter = make_adapter(changed(embedding_search=search), dataset, "h", 1)
    for given_scores, outcome in (([3, 2, 2], Outcome.OK), ([0, 0.5, 1], Outcome.OK), (scores, Outcome.WRONG_ANSWER)):
        reply = orjson.dumps({"ids": ["n1", "n2", "n3"], "scores": given_scores})
        assert adapter.judge(Operation.EMBEDDING_SEARCH, 3, 0, 200, reply, deep=True).outcome is outcome


def test_a_count_of_one_space_cannot_stand_for_several(tmp_path: Path) -> None:
    two = build_dataset(scenario(num_nodes=9, dim=8, memory_spaces=2), 3, tmp_path, store_pool=3, num_queries=9)
    with pytest.raises(InputError, match=r"leave \{space\} out"):
        make_adapter(template(), two, "h", 1).encode_count()


def test_the_file_survives_the_wire() -> None:
    target = load_target(NEW)
    assert target_from_json(target.source).requests == target.requests


SEARCH = '[requests.embedding_search]\npath = "/s"\nids = "ids[*]"\nbody = \'{"v": {vector}}\'\n'
HEAD = 'name = "m"\nadapter = "http"\n'
COUNT = '[requests.count]\npath = "/n"\ncount = "n"\n[requests.health]\npath = "/h"\n'
STORE = '[requests.store]\npath = "/p/{id}"\nbody = \'{"t": "{text}", "v": {vector}}\'\n'
WHOLE = HEAD + COUNT + STORE + SEARCH


@pytest.mark.parametrize(("old", "new", "message"), [
    ('"v": {vector}}\'\n[', '"v": {vectr}}\'\n[', "x.toml:10: requests.store.body names {vectr}, which is not known there: did "
     "you mean vector?"),
    ('"{text}"', "{text}", "x.toml:10: requests.store.body is not JSON once placeholders are filled in"),
    ("ids[*]", "ids[", 'x.toml:13: requests.embedding_search.ids = "ids[" must be a path like result.points[*].id'),
    ('"/p/{id}"', '"/p"', "x.toml:8: requests.store does not name {id}: answers could not be checked"),
    ('"/p/{id}"', '"p/{id}"', 'x.toml:9: requests.store.path = "p/{id}" must be a path that begins with \'/\''),
    (STORE, "", "requests has neither store nor load"),
    (COUNT, COUNT.partition("[requests.health]")[0], "requests.health is missing"),
    ('ids = "ids[*]"\n', "", "requests.embedding_search.ids is missing"),
    ('"/s"\n', '"/s"\nmethod = "FETCH"\n', "requests.embedding_search.method"),
    ('"/s"\n', '"/s"\nsuccess = [20]\n', "requests.embedding_search.success.0 = 20 must be at least 100"),
    ('"/s"\n', '"/s"\nsucces = [200]\n', "requests.embedding_search.succes is an unknown key: did you mean success?"),
    ('"/s"\n', '"/s"\nerrors = {"200" = "timeout"}\n', "errors names status 200, which is one of success"),
    ('"/s"\n', '"/s"\nerrors = {"a[" = "timeout"}\n', 'errors has the key "a[", which must be a status like 404 or a path'),
    ('"/s"\n', '"/s"\nerrors = {"404" = "ok"}\n', "requests.embedding_search.errors.404"),
    ('"/s"\n', '"/s"\nheaders = {"X" = "{vector}"}\n', "requests.embedding_search.headers.X names {vector}"),
    ('"/s"\n', '"/s"\nheaders = {"Host" = "a"}\n', "without Host, which perfgate sets itself"),
    ('"/s"\n', '"/s"\nheaders = {"X" = "a\\r\\nY: b"}\n', "names and values of headers in printable ASCII"),
    (COUNT, "[options]\nvector = 1\n" + COUNT, "must be names of small letters"),
    (COUNT, "[options]\nk = 0\n" + COUNT, "whose k is a whole number from 1 to 1000"),
    (COUNT, '[requests.load]\npath = "/l/{id}"\nbody = "[]"\nitem = "{vector}"\n' + COUNT, "requests.load"),
])  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_remedy(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(WHOLE)
    assert load_target(path).operations == {Operation.STORE, Operation.EMBEDDING_SEARCH}
    assert old in WHOLE
    path.write_text(WHOLE.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_target(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
