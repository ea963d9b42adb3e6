"""A store over HTTP that takes vectors as base64 of little-endian float32, and whole numbers as ids."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfgate.dataset import Dataset
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import GOOD, Judgement, Shape, shorten, wrong_answer
from perfgate.targets.model import Target
from perfgate.targets.packaged import PackagedAdapter

STORED = 1 << 40
"""Added to the index of a memory stored during a run: nodes and stored memories must never share an id."""


class PackedAdapter:
    """Vectors are packed once, when the adapter is made: `encode` runs beside the load, and must be quick."""

    def __init__(self, target: Target, dataset: Dataset, host: str, port: int) -> None:
        self.operations = target.operations
        self._dataset = dataset
        self._host = f"{host}:{port}" if port else host
        self._space, self._k = str(target.options["space"]), int(target.options["k"])
        self._nodes, self._queries, self._pool = map(_packed, (dataset.nodes, dataset.queries, dataset.pool))

    def encode(self, operation: Operation, key: int, index: int) -> bytes:
        if operation is Operation.STORE:
            return self._put([_row(STORED + index, self._dataset.pool_text(index), self._pool[key])])
        return self._request("POST", "/look", {"features": self._queries[key], "top": self._k})

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        if status != self.shape(operation).status:
            return Judgement(Outcome.BAD_STATUS, example=f"{operation.value}: status {status}: {shorten(body)}")
        if operation is Operation.STORE or not deep:
            return GOOD if body[:1] == b"{" else wrong_answer(operation, "no JSON object", body)
        try:
            ids = [row["row"]["meta"]["key"] for row in json.loads(body)["answer"]["rows"]]
        except (ValueError, LookupError, TypeError) as error:
            return wrong_answer(operation, f"{type(error).__name__} {error}", body)
        truth: list[int] = [node for node in self._dataset.truth[key][: self._k].tolist() if node >= 0]
        return Judgement(Outcome.OK, found=len(set(truth) & set(ids[: self._k])), expected=len(truth))

    def shape(self, operation: Operation) -> Shape:
        return Shape(207 if operation is Operation.STORE else 200, b"{")

    def encode_load(self, node: int) -> bytes:
        return self.encode_load_batch([node])

    @property
    def load_batch(self) -> int:
        return 50

    def encode_load_batch(self, nodes: Sequence[int]) -> bytes:
        return self._put([_row(node, self._dataset.text(node), self._nodes[node]) for node in nodes])

    def loaded(self, status: int, body: bytes) -> str:
        return "" if status == 207 else f"status {status}: {shorten(body)}"

    def encode_count(self) -> bytes:
        return self._request("GET", "/size")

    def read_count(self, status: int, body: bytes) -> int:
        if status != 200:
            raise ValueError(f"status {status}: {shorten(body)}")
        return int(json.loads(body)["stats"]["rows"])

    def alive_request(self) -> bytes:
        return f"GET /ready HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode()

    def preparations(self) -> list[bytes]:
        """A collection must be made before anything is put into it (perfgate.targets.adapter.Preparing)."""
        return [self._request("PUT", "", {"width": self._dataset.dim})]

    def prepared(self, number: int, status: int, body: bytes) -> str:
        return "" if status == 202 else f"status {status}: {shorten(body)}"

    def encode_get(self, key: int) -> bytes:
        """One memory by its id (perfgate.targets.adapter.Getter)."""
        return self._request("GET", f"/rows/{key if key >= 0 else STORED + ~key}")

    def got(self, key: int, status: int, body: bytes) -> bool:
        if status not in (200, 410):
            raise ValueError(f"status {status}: {shorten(body)}")
        return status == 200

    def _put(self, rows: list[dict[str, Any]]) -> bytes:
        return self._request("POST", "/rows", {"rows": rows})

    def _request(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> bytes:
        body = json.dumps(content).encode() if content is not None else b""
        head = f"{method} /c/{self._space}{path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


def _row(key: int, text: str, features: str) -> dict[str, Any]:
    return {"key": key, "body": text, "features": features}


def _packed(vectors: NDArray[np.float32]) -> list[str]:
    """Of each row: the base64 of its float32."""
    return [base64.b64encode(np.asarray(row, "<f4").tobytes()).decode() for row in vectors]


def _options(given: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """What may stand in [options] of a target file."""
    if unknown := sorted(set(given) - {"k", "space"}):
        raise ValueError(f"options.{unknown[0]} is an unknown key: there are k and space")
    k, space = given.get("k", 10), given.get("space", "default")
    if not isinstance(k, int) or not 1 <= k <= 100:
        raise ValueError(f"options.k = {k!r} must be a whole number from 1 to 100")
    if not isinstance(space, str) or not space.isalnum():
        raise ValueError(f"options.space = {space!r} must be letters and digits")
    return {"k": k, "space": space}


ADAPTER = PackagedAdapter(
    operations=frozenset({Operation.STORE, Operation.EMBEDDING_SEARCH}), make=PackedAdapter, options=_options
)
