"""PostgreSQL with pgvector: a table for each memory space, with an HNSW index over the vectors and a GIN index over the words.

Requests are calls of asyncpg with prepared statements. What a reply's time holds besides is asyncpg's own work.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from perfgate.address import Address
from perfgate.dataset import Dataset, node_id, stored_id
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import GOOD, Judgement, LastStep, Shape, shorten, wrong_answer
from perfgate.targets.model import Target
from perfgate.targets.pgvector_session import COPY, PgvectorSession
from perfgate.targets.protocol import VALUE, Call, WireProtocol
from perfgate.targets.results import judge_results, wanted_ids
from perfgate.units import NS_PER_S

BATCH = 200
"""Rows of one COPY."""
BUILD_NS = 1800 * NS_PER_S
"""How long building an index may take."""
PREPARED_AHEAD = 16
"""Statements that a new connection prepares before its first call; with many memory spaces the others follow when needed."""
STEPS_OF_A_SPACE = ("index_vectors", "index_words", "settle", "plan_search", "plan_recall")


class PgvectorAdapter:
    """Bulk loading is by COPY into a table without indexes, which are built afterwards. `VACUUM (ANALYZE)` then settles what
    autovacuum would otherwise do while something is measured, and the plans of the searches are looked at: a small or an
    unknown table is scanned from end to end, which gives right answers and measures something else."""

    protocol = WireProtocol.CALLS

    def __init__(self, target: Target, dataset: Dataset, host: str, port: int) -> None:
        options = target.options
        self.operations = target.operations
        self._dataset = dataset
        self._options = options
        self._k = int(options["k"])
        name = str(options["space"])
        self._tables = [name if dataset.spaces == 1 else f"{name}-{number}" for number in range(dataset.spaces)]
        self._statements = _statements(self._tables, options, dataset.dim)
        self._ahead = [
            f"{one.value}.{space}" for space in range(dataset.spaces) for one in Operation if one in self.operations
        ][:PREPARED_AHEAD]
        self._settings = {
            "application_name": "perfgate",
            "hnsw.ef_search": str(options["ef"]),
            "enable_seqscan": "on" if options["sequential_scans"] else "off",
            "maintenance_work_mem": str(options["build_memory"]),
        }

    async def connect(self, address: Address, tls: ssl.SSLContext | None) -> PgvectorSession:
        """With its statements prepared, where the tables are there."""
        user, database = str(self._options["user"]), str(self._options["database"])
        session = await PgvectorSession.open(address, tls, user, database, self._settings, self._statements)
        await session.get_ready(self._ahead)
        return session

    def encode(self, operation: Operation, key: int, index: int) -> Call:
        data = self._dataset
        if operation is Operation.STORE:
            values = (stored_id(index), data.pool_text(index), binary(data.pool[key]))
            return Call(f"store.{data.space(key)}", values)
        if operation is Operation.RECALL:
            return Call(f"recall.{data.recall_space(key)}", (data.recall_text(key),))
        return Call(f"embedding_search.{data.space(key)}", (binary(data.queries[key]),))

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        if status != VALUE:
            return Judgement(Outcome.BAD_STATUS, example=f"{operation.value}: {shorten(body)}")
        if body[:1] != self.shape(operation).first:
            return wrong_answer(operation, "another kind of reply", body)
        if not deep:
            return GOOD
        if operation is Operation.STORE:
            return GOOD if body == b'"INSERT 0 1"' else wrong_answer(operation, "not one memory", body)
        rows = orjson.loads(body)
        ids, scores = [one for one, _ in rows], [score for _, score in rows]
        wanted = wanted_ids(self._dataset, operation, key, self._k)
        # Texts have a rank, vectors a distance.
        return judge_results(operation, ids, scores, wanted, body, falling=operation is Operation.RECALL)

    def shape(self, operation: Operation) -> Shape:
        return Shape(VALUE, b'"' if operation is Operation.STORE else b"[")

    def encode_load(self, node: int) -> Call:
        return self.encode_load_batch([node])

    @property
    def load_batch(self) -> int:
        """How many memories a COPY may hold."""
        return BATCH

    def encode_load_batch(self, nodes: Sequence[int]) -> Call:
        data = self._dataset
        rows: dict[str, list[tuple[str, str, bytes]]] = {}
        for node in nodes:
            row = (node_id(node), data.text(node), binary(data.nodes[node]))
            rows.setdefault(self._tables[data.space(node)], []).append(row)
        return Call(COPY, tuple(rows.items()))

    def loaded(self, status: int, body: bytes) -> str:
        return "" if status == VALUE else shorten(body)

    def encode_count(self) -> Call:
        return Call("count")

    def read_count(self, status: int, body: bytes) -> int:
        if status != VALUE:
            raise ValueError(shorten(body))
        return int(orjson.loads(body)[0][0])

    def alive_request(self) -> Call:
        return Call("alive")

    def preparations(self) -> list[Call]:
        """The extension, and a table for each memory space."""
        return [Call("extension"), *(Call(f"table.{space}") for space in range(len(self._tables)))]

    def prepared(self, number: int, status: int, body: bytes) -> str:
        return "" if status == VALUE else shorten(body)

    def finishing(self) -> list[LastStep]:
        """Indexes, statistics, and a look at the plans."""
        return [LastStep(call, BUILD_NS) for call in self._last_calls()]

    def finished(self, number: int, status: int, body: bytes) -> str:
        """Raises ValueError for a step that failed, and for a plan that is not to be measured."""
        if status != VALUE:
            raise ValueError(shorten(body))
        name, _, space = self._last_calls()[number].name.partition(".")
        if name in ("plan_search", "plan_recall"):
            index = _index_names(self._tables[int(space)])[name == "plan_recall"]
            plan = [line.strip() for (line,) in orjson.loads(body)]
            if not any(index in line for line in plan):
                raise ValueError(
                    f"the plan does not use the index {index}, so that another kind of search would be measured: "
                    f"{' / '.join(line[:60] for line in plan)}; leave options.sequential_scans = false"
                )
        return ""

    def encode_get(self, key: int) -> Call:
        return Call(f"get.{self._dataset.recall_space(key)}", (self._dataset.recall_id(key),))

    def got(self, key: int, status: int, body: bytes) -> bool:
        if status != VALUE:
            raise ValueError(shorten(body))
        return bool(orjson.loads(body))

    def _last_calls(self) -> list[Call]:
        data = self._dataset
        values: Mapping[str, tuple[Any, ...]] = {
            "plan_search": (binary(data.queries[0]),),
            "plan_recall": (data.query_text(0),),
        }
        return [
            Call(f"{step}.{space}", values.get(step, ()))
            for space in range(len(self._tables)) for step in STEPS_OF_A_SPACE
        ]  # fmt: skip


def binary(vector: NDArray[np.float32]) -> bytes:
    """pgvector's binary form: uint16 dimensions, uint16 0, then 32-bit floats, all with the most significant byte first
    (vector_recv in pgvector's src/vector.c)."""
    return len(vector).to_bytes(2, "big") + b"\0\0" + vector.astype(">f4").tobytes()


def _index_names(table: str) -> tuple[str, str]:
    """Of the vectors and of the words."""
    return f"{table}_embedding", f"{table}_words"


def _statements(tables: Sequence[str], options: Mapping[str, Any], dim: int) -> dict[str, str]:
    """name.space -> SQL."""
    found = {
        "alive": "SELECT 1",
        "extension": "CREATE EXTENSION IF NOT EXISTS vector",
        "count": "SELECT " + " + ".join(f'(SELECT count(*) FROM "{table}")' for table in tables),
    }
    for space, table in enumerate(tables):
        found |= {f"{name}.{space}": sql for name, sql in _of_a_table(table, options, dim).items()}
    return found


def _of_a_table(table: str, options: Mapping[str, Any], dim: int) -> dict[str, str]:
    vectors, words = _index_names(table)
    of_search = f'SELECT id, embedding <=> $1 FROM "{table}" ORDER BY embedding <=> $1 LIMIT {options["k"]}'
    query = "plainto_tsquery('simple', $1)"
    rank = f"ts_rank(words, {query})"
    of_recall = f'SELECT id, {rank} FROM "{table}" WHERE words @@ {query} ORDER BY {rank} DESC LIMIT {options["k"]}'
    graph = f"m = {options['m']}, ef_construction = {options['ef_construction']}"
    return {
        "table": f'CREATE TABLE IF NOT EXISTS "{table}" (id text PRIMARY KEY, body text NOT NULL, '
        f"embedding vector({dim}) NOT NULL, "
        "words tsvector GENERATED ALWAYS AS (to_tsvector('simple', body)) STORED)",
        "index_vectors": f'CREATE INDEX IF NOT EXISTS "{vectors}" ON "{table}" '
        f"USING hnsw (embedding vector_cosine_ops) WITH ({graph})",
        "index_words": f'CREATE INDEX IF NOT EXISTS "{words}" ON "{table}" USING gin (words)',
        "settle": f'VACUUM (ANALYZE) "{table}"',
        "plan_search": f"EXPLAIN {of_search}",
        "plan_recall": f"EXPLAIN {of_recall}",
        "store": f'INSERT INTO "{table}" (id, body, embedding) VALUES ($1, $2, $3) '
        "ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body, embedding = EXCLUDED.embedding",
        "recall": of_recall,
        "embedding_search": of_search,
        "get": f'SELECT id, body FROM "{table}" WHERE id = $1',
    }
