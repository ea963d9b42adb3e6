"""Engram's HTTP API, which the built-in store speaks too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote_plus

import orjson

from perfgate.dataset import Dataset, node_id, stored_id
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import GOOD, Judgement, Shape, shorten, wrong_answer
from perfgate.targets.model import Target

TIERS = ("vivid", "associated", "reconstructed")


class EngramAdapter:
    """Each vector's JSON text was encoded once, with the data set; a request is joined from ready parts."""

    def __init__(self, target: Target, dataset: Dataset, host: str, port: int) -> None:
        options = target.options
        self.operations = target.operations
        self._dataset = dataset
        self._host = f"Host: {f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}\r\n".encode()
        self._confidence = str(float(options["confidence"])).encode()
        self._space = str(options["space"])
        self._spaces = [self._space_line(number) for number in range(dataset.spaces)]
        self._tail = f"&max_results={int(options['max_results'])}&threshold={float(options['threshold']):g}".encode()
        self._results = int(options["max_results"])
        self._effort = b"&ef=%d" % int(options["ef"]) if options.get("ef") else b""

    def encode(self, operation: Operation, key: int, index: int) -> bytes:
        data = self._dataset
        if operation is Operation.STORE:
            return self._remember(stored_id(index), data.pool_text(index), data.encoded_pool(key), data.space(key))
        if operation is Operation.RECALL:
            return self._recall(b"query=" + _quoted(data.recall_text(key)), data.recall_space(key))
        # Square brackets are not allowed in a query as they are (RFC 3986).
        numbers = b"".join((b"embedding=%5B", data.encoded_query(key)[1:-1], b"%5D"))
        return self._recall(numbers + self._effort, data.space(key))

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        if status != (201 if operation is Operation.STORE else 200):
            return Judgement(Outcome.BAD_STATUS, example=f"{operation.value}: status {status}: {shorten(body)}")
        if not deep:
            return GOOD if body[:1] == b"{" else wrong_answer(operation, "no JSON object", body)
        try:
            reply = orjson.loads(body)
            if operation is Operation.STORE:
                return GOOD if reply["memory_id"] else wrong_answer(operation, "an empty memory_id", body)
            ids = _ids(reply["memories"])
            if not ids:
                return wrong_answer(operation, "no results", body)
            wanted = self._wanted(operation, key)
            return Judgement(Outcome.OK, found=len(wanted.intersection(ids[: self._results])), expected=len(wanted))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            return wrong_answer(operation, f"{type(error).__name__} {error}", body)

    def shape(self, operation: Operation) -> Shape:
        return Shape(201 if operation is Operation.STORE else 200, b"{")

    def encode_load(self, node: int) -> bytes:
        data = self._dataset
        return self._remember(node_id(node), data.text(node), data.encoded_node(node), data.space(node))

    def encode_load_batch(self, nodes: Sequence[int]) -> bytes | None:
        return None

    def loaded(self, status: int, body: bytes) -> str:
        return "" if status == 201 else f"status {status}: {shorten(body)}"

    def encode_count(self) -> bytes:
        space = f"?space={self._space}" if self._dataset.spaces == 1 else ""
        return self._get(f"/api/v1/system/health{space}".encode(), b"")

    def read_count(self, status: int, body: bytes) -> int:
        if status != 200:
            raise ValueError(f"status {status}: {shorten(body)}")
        try:
            spaces = orjson.loads(body)["spaces"]
            held = {str(space.get("space", self._space)): int(space["memories"]) for space in spaces}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no count in {shorten(body)}") from error
        return self._checked_sum([held.get(self._name(number), 0) for number in range(self._dataset.spaces)])

    def _checked_sum(self, held: list[int]) -> int:
        """Raises ValueError where all memories are there, but not each where it belongs."""
        data, total = self._dataset, sum(held)
        due = [(data.num_nodes - 1 - number) // data.spaces + 1 for number in range(data.spaces)]
        wrong = next((number for number in range(data.spaces) if held[number] != due[number]), None)
        if total == data.num_nodes and wrong is not None:
            raise ValueError(f"memory space {self._name(wrong)} holds {held[wrong]} memories instead of {due[wrong]}")
        return total

    def alive_request(self) -> bytes:
        return self._get(b"/health/alive", b"")

    def encode_get(self, key: int) -> bytes | None:
        return self._get(
            f"/api/v1/memories/{self._dataset.recall_id(key)}".encode(), self._spaces[self._dataset.recall_space(key)]
        )

    def got(self, key: int, status: int, body: bytes) -> bool:
        if status not in (200, 404):
            raise ValueError(f"status {status}: {shorten(body)}")
        return status == 200

    def _wanted(self, operation: Operation, key: int) -> set[str]:
        if operation is Operation.RECALL:
            return {self._dataset.recall_id(key)}
        truth: Iterable[Any] = self._dataset.truth[key][: self._results].tolist()
        return {node_id(node) for node in truth if node >= 0}

    def _remember(self, identity: str, text: str, vector: memoryview, space: int) -> bytes:
        start = b'{"id":"%b","content":%b,"confidence":%b,"embedding":' % (
            identity.encode(), orjson.dumps(text), self._confidence,
        )  # fmt: skip
        length = b"Content-Length: %d\r\n\r\n" % (len(start) + len(vector) + 1)
        line = b"POST /api/v1/memories/remember HTTP/1.1\r\n"
        kind = b"Content-Type: application/json\r\n"
        return b"".join((line, self._host, self._spaces[space], kind, length, start, vector, b"}"))

    def _recall(self, question: bytes, space: int) -> bytes:
        return self._get(b"".join((b"/api/v1/memories/recall?", question, self._tail)), self._spaces[space])

    def _get(self, path: bytes, space: bytes) -> bytes:
        return b"".join((b"GET ", path, b" HTTP/1.1\r\n", self._host, space, b"\r\n"))

    def _name(self, number: int) -> str:
        return self._space if self._dataset.spaces == 1 else f"{self._space}-{number}"

    def _space_line(self, number: int) -> bytes:
        return f"X-Memory-Space: {self._name(number)}\r\n".encode()


def _quoted(text: str) -> bytes:
    """Made-up words need no quoting, which is ten times as fast."""
    plain = text.replace(" ", "+")
    return (plain if text.isascii() and text.replace(" ", "").isalnum() else quote_plus(text)).encode()


def _ids(memories: Any) -> list[str]:
    return [memory["id"] for tier in TIERS for memory in memories.get(tier, ())]
