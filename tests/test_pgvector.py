"""The adapter for PostgreSQL with pgvector: its calls, what replies come to, and how asyncpg's errors are told apart. Real
servers: the conformance suite."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import adapter_cases
import asyncpg
import orjson
import pytest

from perfgate.address import Address
from perfgate.dataset import Dataset
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import GOOD, Judgement
from perfgate.targets.pgvector import PgvectorAdapter, binary
from perfgate.targets.pgvector_session import PgvectorSession
from perfgate.targets.protocol import ERROR, VALUE, Call

SEARCH, STORE, RECALL = Operation.EMBEDDING_SEARCH, Operation.STORE, Operation.RECALL
HERE = Address("127.0.0.1", 5432)
adapter_of = partial(adapter_cases.adapter_of, PgvectorAdapter, "pgvector")


def test_a_vector_travels_in_pgvectors_own_form(dataset: Dataset) -> None:
    dim, unused, *numbers = struct.unpack("!HH8f", binary(dataset.queries[1]))
    assert (dim, unused) == (8, 0)
    assert numbers == dataset.queries[1].tolist()


def test_requests_are_calls_of_statements(dataset: Dataset) -> None:
    adapter = adapter_of(dataset)
    assert adapter.encode(STORE, 4, 12) == Call("store.0", ("s12", dataset.pool_text(12), binary(dataset.pool[4])))
    assert adapter.encode(RECALL, 5, 0) == Call("recall.0", (dataset.query_text(5),))
    assert adapter.encode(SEARCH, 6, 0) == Call("embedding_search.0", (binary(dataset.queries[6]),))
    assert adapter.encode_get(~12) == Call("get.0", ("s12",))


def test_each_memory_space_is_a_table_of_its_own(three_spaces: Dataset) -> None:
    adapter = adapter_of(three_spaces, space="m")
    assert [adapter.encode(SEARCH, query, 0).name for query in range(3)] == [
        "embedding_search.0", "embedding_search.1", "embedding_search.2",
    ]  # fmt: skip
    tables = adapter.encode_load_batch(range(7)).arguments
    assert {table: [row[0] for row in rows] for table, rows in tables} == {
        "m-0": ["n0", "n3", "n6"], "m-1": ["n1", "n4"], "m-2": ["n2", "n5"],
    }  # fmt: skip
    assert len(adapter.preparations()) == 1 + 3
    assert len(adapter.finishing()) == 3 * 5


def rows(*results: tuple[str, float]) -> bytes:
    return orjson.dumps(results)


def test_answers_are_compared_with_the_truth(dataset: Dataset) -> None:
    adapter = adapter_of(dataset)
    truth = [f"n{node}" for node in dataset.truth[3]]
    found = rows(*((name, place / 100) for place, name in enumerate([*truth[:8], "n900", "s5"])))
    assert adapter.judge(SEARCH, 3, 0, VALUE, found, True) == Judgement(Outcome.OK, found=8, expected=10)
    assert adapter.judge(RECALL, 3, 0, VALUE, rows(("n3", 0.1)), True) == Judgement(Outcome.OK, found=1, expected=1)
    assert adapter.judge(RECALL, ~7, 0, VALUE, rows(("s8", 0.1)), True) == Judgement(Outcome.OK, found=0, expected=1)
    assert adapter.judge(STORE, 3, 0, VALUE, b'"INSERT 0 1"', True) is GOOD
    assert adapter.judge(SEARCH, 3, 0, VALUE, found, False) is GOOD


@pytest.mark.parametrize(
    ("operation", "status", "body", "outcome"),
    [
        (SEARCH, VALUE, b"[]", Outcome.WRONG_ANSWER),
        (RECALL, VALUE, b"[]", Outcome.WRONG_ANSWER),
        (SEARCH, VALUE, rows(("n1", 0.5), ("n2", 0.4)), Outcome.WRONG_ANSWER),
        (RECALL, VALUE, rows(("n1", 0.4), ("n2", 0.5)), Outcome.WRONG_ANSWER),
        (STORE, VALUE, b'"INSERT 0 0"', Outcome.WRONG_ANSWER),
        (SEARCH, VALUE, b'"INSERT 0 1"', Outcome.WRONG_ANSWER),
        (SEARCH, ERROR, b'"22000 different vector dimensions 8 and 9"', Outcome.BAD_STATUS),
    ],
)
def test_other_replies_have_their_outcomes(
    dataset: Dataset, operation: Operation, status: int, body: bytes, outcome: Outcome
) -> None:
    judged = adapter_of(dataset).judge(operation, 0, 0, status, body, True)
    assert judged.outcome is outcome
    assert judged.example


def _step(adapter: PgvectorAdapter, name: str) -> int:
    return next(number for number, step in enumerate(adapter.finishing()) if str(step.request).startswith(name))


def test_a_plan_that_scans_the_table_is_not_measured(dataset: Dataset) -> None:
    adapter = adapter_of(dataset, space="m")
    number = _step(adapter, "plan_search")
    scan = orjson.dumps(
        [["Limit  (cost=15.23..15.26 rows=10 width=12)"], ["  ->  Seq Scan on m  (cost=0.00..8.75 rows=300"]]
    )
    with pytest.raises(ValueError, match=r"does not use the index m_embedding.*Limit.*Seq Scan on m"):
        adapter.finished(number, VALUE, scan)
    index = orjson.dumps([["Limit  (cost=343.98..356.32 rows=10)"], ["  ->  Index Scan using m_embedding on m"]])
    assert adapter.finished(number, VALUE, index) == ""
    with pytest.raises(ValueError, match="m_words"):
        adapter.finished(_step(adapter, "plan_recall"), VALUE, index)


def test_a_last_step_that_fails_is_not_waited_for(dataset: Dataset) -> None:
    adapter = adapter_of(dataset)
    with pytest.raises(ValueError, match="54000 column cannot have more than 2000 dimensions"):
        adapter.finished(0, ERROR, b'"54000 column cannot have more than 2000 dimensions for hnsw index"')


class FakeStatement:
    def __init__(self, answer: Any, said: str) -> None:
        self._answer, self._said = answer, said

    async def fetch(self, *arguments: Any) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def get_statusmsg(self) -> str:
        return self._said


class FakeConnection:
    """asyncpg's connection, as far as it is used."""

    def __init__(self, answer: Any, said: str = "SELECT 0", closed: bool = False) -> None:
        self._answer, self._said, self._closed = answer, said, closed
        self.prepared: list[str] = []
        self.listeners: list[Callable[[Any], None]] = []

    async def set_type_codec(self, name: str, **about: Any) -> None:
        if self._answer == "no extension":
            raise ValueError("unknown type: public.vector")

    async def prepare(self, sql: str) -> FakeStatement:
        if self._answer == "no table":
            raise asyncpg.UndefinedTableError('relation "memories" does not exist')
        self.prepared.append(sql)
        return FakeStatement(self._answer, self._said)

    def is_closed(self) -> bool:
        return self._closed

    def terminate(self) -> None:
        self._closed = True

    def add_termination_listener(self, listener: Callable[[Any], None]) -> None:
        self.listeners.append(listener)


def session(connection: FakeConnection) -> PgvectorSession:
    return PgvectorSession(connection, {"one": "SELECT 1", "two": "SELECT 2"})


async def test_rows_become_json_and_a_statement_without_any_says_what_it_did() -> None:
    assert await session(FakeConnection([("n1", 0.5)])).call(Call("one")) == (VALUE, b'[["n1",0.5]]')
    assert await session(FakeConnection([])).call(Call("one")) == (VALUE, b"[]")
    assert await session(FakeConnection([], "INSERT 0 1")).call(Call("one")) == (VALUE, b'"INSERT 0 1"')


async def test_a_statement_is_prepared_once_a_connection() -> None:
    connection = FakeConnection([])
    opened = session(connection)
    await opened.get_ready(["one"])
    for _ in range(3):
        await opened.call(Call("one"))
        await opened.call(Call("two"))
    assert connection.prepared == ["SELECT 1", "SELECT 2"]


@pytest.mark.parametrize("missing", ["no extension", "no table"])
async def test_a_store_without_its_schema_lets_a_connection_in(missing: str) -> None:
    await session(FakeConnection(missing)).get_ready(["one"])


async def test_an_error_is_a_reply_and_a_broken_connection_is_none() -> None:
    error = asyncpg.DataError("different vector dimensions 8 and 9")
    assert await session(FakeConnection(error)).call(Call("one")) == (
        ERROR, b'"22000 different vector dimensions 8 and 9"',
    )  # fmt: skip
    for gone in (asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),):
        with pytest.raises(ConnectionResetError, match="in the middle of operation"):
            await session(FakeConnection(gone)).call(Call("one"))
    closed = FakeConnection(asyncpg.InterfaceError("connection is closed"), closed=True)
    with pytest.raises(ConnectionResetError, match="connection is closed"):
        await session(closed).call(Call("one"))
    with pytest.raises(ValueError, match="InternalClientError: unexpected message"):
        await session(FakeConnection(asyncpg.InternalClientError("unexpected message"))).call(Call("one"))


async def test_the_end_of_a_connection_is_told_to_whoever_uses_it() -> None:
    connection = FakeConnection([])
    ended = asyncio.Event()
    session(connection).when_closed(ended.set)
    connection.listeners[0](connection)
    assert ended.is_set()


async def test_a_server_that_lets_nobody_in_refuses(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    async def connect(**about: Any) -> None:
        raise asyncpg.TooManyConnectionsError("sorry, too many clients already")

    monkeypatch.setattr(asyncpg, "connect", connect)
    with pytest.raises(ConnectionRefusedError, match="too many clients already"):
        await adapter_of(dataset).connect(HERE, None)


async def test_a_connection_is_told_the_search_parameter(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    told: list[dict[str, Any]] = []

    async def connect(**about: Any) -> FakeConnection:
        told.append(about)
        return FakeConnection([])

    monkeypatch.setattr(asyncpg, "connect", connect)
    await adapter_of(dataset, ef=33, user="u", database="d").connect(HERE, None)
    await adapter_of(dataset, sequential_scans=True).connect(Address.unix("/run/pg/.s.PGSQL.5433"), None)
    first, second = told
    assert (first["host"], first["port"], first["user"], first["database"]) == ("127.0.0.1", 5432, "u", "d")
    assert first["server_settings"]["hnsw.ef_search"] == "33"
    assert first["server_settings"]["enable_seqscan"] == "off"
    assert (second["host"], second["port"], second["server_settings"]["enable_seqscan"]) == ("/run/pg", 5433, "on")
    with pytest.raises(OSError, match=r"named \.s\.PGSQL\.PORT"):
        await adapter_of(dataset).connect(Address.unix("/run/pg/socket"), None)
