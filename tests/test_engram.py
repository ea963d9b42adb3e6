"""Engram's HTTP API as the adapter speaks it, against the built-in store and against bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote_plus

import orjson
import pytest
import pytest_asyncio
from embedded_store import data_of, embedded, running_store, small_plan
from load_cases import outcomes, part, run, segments
from perfgate_agent.loader import load_nodes
from perfgate_agent.probe import exchange

from perfgate.address import Address
from perfgate.dataset import Dataset
from perfgate.interval import Interval
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.plan import LANES
from perfgate.segment import Arm
from perfgate.targets.adapter import Adapter, Judgement, make_adapter
from perfgate.targets.engram import _quoted


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return data_of(small_plan(), tmp_path_factory.mktemp("cache"))


@pytest_asyncio.fixture
async def port(data: Dataset) -> AsyncIterator[int]:
    async with running_store(32) as port:
        await load_nodes(
            make_adapter(embedded(), data, "127.0.0.1", port), Address("127.0.0.1", port), data.num_nodes, 4
        )
        yield port


async def ask(adapter: Adapter, port: int, operation: Operation, key: int, index: int = 0) -> Judgement:
    status, body = await exchange(Address("127.0.0.1", port), adapter.encode(operation, key, index), 10.0)
    return adapter.judge(operation, key, index, status, body, deep=True)


async def test_what_is_stored_is_counted_and_recalled(data: Dataset, port: int) -> None:
    adapter = make_adapter(embedded(), data, "127.0.0.1", port)
    assert (await ask(adapter, port, Operation.STORE, 3, 1_000)).outcome is Outcome.OK
    status, body = await exchange(Address("127.0.0.1", port), adapter.encode_count(), 10.0)
    assert adapter.read_count(status, body) == data.num_nodes + 1
    status, body = await exchange(
        Address("127.0.0.1", port), b"GET /api/v1/memories/s1000 HTTP/1.1\r\nHost: h\r\n\r\n", 10.0
    )
    assert status == 200
    assert data.pool_text(1_000) in body.decode()


async def test_recalls_find_their_memory_and_searches_nearly_all_neighbours(data: Dataset, port: int) -> None:
    adapter = make_adapter(embedded(), data, "127.0.0.1", port)
    recalls = await asyncio.gather(*(ask(adapter, port, Operation.RECALL, key) for key in range(100)))
    searches = await asyncio.gather(*(ask(adapter, port, Operation.EMBEDDING_SEARCH, key) for key in range(100)))
    assert {one.outcome for one in recalls + searches} == {Outcome.OK}
    assert sum(one.found for one in recalls) == sum(one.expected for one in recalls) == 100
    assert sum(one.expected for one in searches) == 1_000
    assert sum(one.found for one in searches) >= 900


async def test_a_run_against_the_store_checks_a_quarter_of_the_replies(data: Dataset, port: int) -> None:
    adapters = {Arm.BASE: make_adapter(embedded(), data, "127.0.0.1", port)}
    intervals: list[Interval] = []
    report, _ = await run(part([port], small_plan(), segments(500), adapters=adapters), intervals)
    assert outcomes(intervals) == {Outcome.OK: 100}
    checked = int(small_plan().window(range(LANES), 0, 500_000_000).checked.sum())
    merged = Interval.merge(intervals)
    assert sum(one.checked for one in merged.operations.values()) == checked > 0
    search = merged.operations[Operation.EMBEDDING_SEARCH]
    assert search.expected == 10 * search.checked
    assert search.found >= 0.9 * search.expected
    recall = merged.operations[Operation.RECALL]
    assert recall.found == recall.expected == recall.checked
    assert report.completed == 100


async def test_a_store_of_another_dimension_answers_with_a_bad_status(data: Dataset) -> None:
    async with running_store(16) as port:
        adapter = make_adapter(embedded(), data, "127.0.0.1", port)
        for operation in (Operation.STORE, Operation.EMBEDDING_SEARCH):
            judged = await ask(adapter, port, operation, 0)
            assert judged.outcome is Outcome.BAD_STATUS
            assert "has shape (32,), not (16,)" in judged.example


async def test_a_store_that_says_success_and_nothing_is_wrong(data: Dataset) -> None:
    operations = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)
    switches = [word for operation in operations for word in ("--wrong-empty", operation.value)]
    async with running_store(32, *switches) as port:
        adapter = make_adapter(embedded(), data, "127.0.0.1", port)
        for operation in operations:
            assert (await ask(adapter, port, operation, 0)).outcome is Outcome.WRONG_ANSWER


def reply(*ids: str, tier: str = "vivid") -> bytes:
    return orjson.dumps({"memories": {tier: [{"id": one} for one in ids]}})


@pytest.mark.parametrize(
    ("body", "outcome", "found"),
    [
        (reply("n7", "n8"), Outcome.OK, 1),
        (reply("n7", tier="reconstructed"), Outcome.OK, 1),
        (reply("n8"), Outcome.OK, 0),
        (reply(), Outcome.WRONG_ANSWER, 0),
        (b"[]", Outcome.WRONG_ANSWER, 0),
        (b"{}", Outcome.WRONG_ANSWER, 0),
        (b'{"memories": 5}', Outcome.WRONG_ANSWER, 0),
        (b'{"memories": {"vivid": [5]}}', Outcome.WRONG_ANSWER, 0),
        (b'{"memories": {"vivid": [{"id": []}]}}', Outcome.WRONG_ANSWER, 0),
        (b"{", Outcome.WRONG_ANSWER, 0),
        (b"", Outcome.WRONG_ANSWER, 0),
    ],
)
def test_deep_checks_of_recalls(body: bytes, outcome: Outcome, found: int, data: Dataset) -> None:
    adapter = make_adapter(embedded(), data, "127.0.0.1", 1)
    judged = adapter.judge(Operation.RECALL, 7, 0, 200, body, deep=True)
    assert (judged.outcome, judged.found) == (outcome, found)
    assert bool(judged.example) == (outcome is not Outcome.OK)


@pytest.mark.parametrize("body", [b"5", b"{}", b'{"memory_id": ""}', b"{", b"null"])
def test_deep_checks_of_stores(body: bytes, data: Dataset) -> None:
    adapter = make_adapter(embedded(), data, "127.0.0.1", 1)
    assert adapter.judge(Operation.STORE, 0, 0, 201, body, deep=True).outcome is Outcome.WRONG_ANSWER


def test_results_beyond_the_tenth_do_not_count(data: Dataset) -> None:
    adapter = make_adapter(embedded(), data, "127.0.0.1", 1)
    body = reply(*(f"x{number}" for number in range(10)), "n7")
    assert adapter.judge(Operation.RECALL, 7, 0, 200, body, deep=True).found == 0


@pytest.mark.parametrize("body", [b"{}", b"{", b"[]", b'{"spaces": [5]}', b'{"spaces": [{}]}', b'{"spaces": 1}'])
def test_a_reply_without_a_count_is_a_value_error(body: bytes, data: Dataset) -> None:
    adapter = make_adapter(embedded(), data, "127.0.0.1", 1)
    with pytest.raises(ValueError, match=r"\S"):
        adapter.read_count(200, body)
    with pytest.raises(ValueError, match="503"):
        adapter.read_count(503, b"{}")


def test_requests_of_several_spaces_name_their_own(tmp_path: Path) -> None:
    several = data_of(small_plan(spaces=3), tmp_path)
    adapter = make_adapter(embedded(), several, "127.0.0.1", 1)
    named = [adapter.encode(Operation.EMBEDDING_SEARCH, key, 0).split(b"X-Memory-Space: ")[1] for key in range(6)]
    assert [name.split(b"\r\n")[0] for name in named] == [b"default-%d" % (key % 3) for key in range(6)]


@pytest.mark.parametrize("text", ["two words", "a&b=c d", "naïve", "50 %", "plus+plus", ""])
def test_any_text_is_quoted(text: str) -> None:
    assert _quoted(text) == quote_plus(text).encode()
