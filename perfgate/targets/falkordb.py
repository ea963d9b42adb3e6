"""FalkorDB: a graph over the Redis protocol, whose nodes have a vector index and a full-text index; a label for each memory
space. Queries are Cypher with parameters, so that their plans are cached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from perfgate.dataset import Dataset, node_id, stored_id
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import GOOD, Judgement, LastStep, Shape, shorten, wrong_answer
from perfgate.targets.model import Target
from perfgate.targets.protocol import VALUE, WireProtocol
from perfgate.targets.resp import bulk, command, decode
from perfgate.targets.results import judge_results, wanted_ids
from perfgate.units import NS_PER_S

BATCH = 100
"""Memories of one load request."""
INDEX_NS = 600 * NS_PER_S
"""How long the indexes may take to take in what was loaded."""
EXISTS = b"already indexed"
READY = b"OPERATIONAL"


class FalkorDbAdapter:
    """A query is its parameters (`CYPHER name=value …`), which come first, and a text that is the same for all requests of an
    operation and a memory space."""

    protocol = WireProtocol.RESP

    def __init__(self, target: Target, dataset: Dataset, host: str, port: int) -> None:
        options = target.options
        self.operations = target.operations
        self._dataset = dataset
        self._k = int(options["k"])
        self._graph = str(options["space"]).encode()
        self._labels = [f"Memory{number}" for number in range(dataset.spaces)]
        self._index = (
            f"OPTIONS {{dimension: {dataset.dim}, similarityFunction: 'cosine', M: {options['m']}, "
            f"efConstruction: {options['ef_construction']}, efRuntime: {options['ef']}}}"
        )
        self._texts = [_texts(label, self._k) for label in self._labels]

    def encode(self, operation: Operation, key: int, index: int) -> bytes:
        data = self._dataset
        if operation is Operation.STORE:
            about = _memory(stored_id(index), data.pool_text(index), data.encoded_pool(key))
            return self._write(b"CYPHER id=%b body=%b v=%b " % about, self._texts[data.space(key)]["store"])
        if operation is Operation.RECALL:
            question = b"CYPHER q=%b " % orjson.dumps(data.recall_text(key))
            return self._read(question, self._texts[data.recall_space(key)]["recall"])
        question = b"".join((b"CYPHER q=", data.encoded_query(key), b" "))
        return self._read(question, self._texts[data.space(key)]["search"])

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        if status != VALUE:
            return Judgement(Outcome.BAD_STATUS, example=f"{operation.value}: {shorten(body)}")
        if not deep:
            return GOOD if body[:1] == b"*" else wrong_answer(operation, "another kind of reply", body)
        try:
            reply = decode(body)
            if operation is Operation.STORE:
                set_ = any(line.startswith(b"Properties set: ") for line in reply[-1])
                return GOOD if set_ else wrong_answer(operation, "nothing was set", body)
            ids, scores = [one.decode() for one, _ in reply[1]], [float(score) for _, score in reply[1]]
            wanted = wanted_ids(self._dataset, operation, key, self._k)
            # Texts have a score, vectors a distance.
            return judge_results(operation, ids, scores, wanted, body, falling=operation is Operation.RECALL)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            return wrong_answer(operation, str(error), body)

    def shape(self, operation: Operation) -> Shape:
        return Shape(VALUE, b"*")

    def encode_load(self, node: int) -> bytes:
        return self.encode_load_batch([node])

    @property
    def load_batch(self) -> int:
        """How many memories a load request may hold: with several memory spaces each goes to another label."""
        return BATCH if len(self._labels) == 1 else 1

    def encode_load_batch(self, nodes: Sequence[int]) -> bytes:
        data = self._dataset
        rows = b",".join(
            b"{id:%b,body:%b,v:%b}" % _memory(node_id(node), data.text(node), data.encoded_node(node)) for node in nodes
        )
        return self._write(b"CYPHER rows=[%b] " % rows, self._texts[data.space(nodes[0])]["load"])

    def loaded(self, status: int, body: bytes) -> str:
        return "" if status == VALUE else shorten(body)

    def encode_count(self) -> bytes:
        return self._read(b"", b"MATCH (m) RETURN count(m)")

    def read_count(self, status: int, body: bytes) -> int:
        try:
            return int(decode(body)[1][0][0])
        except (TypeError, LookupError) as error:
            raise ValueError(f"no count in {shorten(body)}") from error

    def alive_request(self) -> bytes:
        return command(b"PING")

    def preparations(self) -> list[bytes]:
        """Indexes of each memory space: by id, of the vectors, and of the words."""
        return [
            self._write(b"", f"CREATE {kind}INDEX FOR (m:{label}) ON (m.{name}) {options}".encode())
            for label in self._labels
            for kind, name, options in (("", "id", ""), ("VECTOR ", "v", self._index), ("FULLTEXT ", "body", ""))
        ]

    def prepared(self, number: int, status: int, body: bytes) -> str:
        return "" if status == VALUE or EXISTS in body else shorten(body)

    def finishing(self) -> list[LastStep]:
        """Indexes are kept up in the background."""
        return [LastStep(self._read(b"", b"CALL db.indexes() YIELD label, status RETURN label, status"), INDEX_NS)]

    def finished(self, number: int, status: int, body: bytes) -> str:
        """Empty once all indexes are in use. Raises ValueError for an error."""
        rows = decode(body)[1]
        behind = [said for _, said in rows if said != READY]
        return f"an index is {behind[0].decode(errors='replace')}" if behind else ""

    def encode_get(self, key: int) -> bytes:
        about = b"CYPHER id=%b " % orjson.dumps(self._dataset.recall_id(key))
        return self._read(about, self._texts[self._dataset.recall_space(key)]["get"])

    def got(self, key: int, status: int, body: bytes) -> bool:
        return bool(decode(body)[1])

    def _write(self, parameters: bytes, text: bytes) -> bytes:
        return command(b"GRAPH.QUERY", self._graph, parameters + text)

    def _read(self, parameters: bytes, text: bytes) -> bytes:
        return b"*3\r\n" + b"".join(map(bulk, (b"GRAPH.RO_QUERY", self._graph, parameters + text)))


def _memory(identity: str, text: str, vector: Any) -> tuple[bytes, bytes, Any]:
    """As Cypher writes them, which takes JSON's texts and lists of numbers."""
    return orjson.dumps(identity), orjson.dumps(text), vector


def _texts(label: str, k: int) -> dict[str, bytes]:
    """Of the queries to one memory space."""
    order = "YIELD node, score RETURN node.id, score ORDER BY score"
    texts = {
        "store": f"MERGE (m:{label} {{id: $id}}) SET m.body = $body, m.v = vecf32($v)",
        "load": f"UNWIND $rows AS row CREATE (:{label} {{id: row.id, body: row.body, v: vecf32(row.v)}})",
        "recall": f"CALL db.idx.fulltext.queryNodes('{label}', $q) {order} DESC LIMIT {k}",
        "search": f"CALL db.idx.vector.queryNodes('{label}', 'v', {k}, vecf32($q)) {order}",
        "get": f"MATCH (m:{label} {{id: $id}}) RETURN m.id",
    }
    return {name: text.encode() for name, text in texts.items()}
