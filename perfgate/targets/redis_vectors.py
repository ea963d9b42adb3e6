"""Redis 8 vector sets: one set for each memory space, an element for each memory, its text as the element's attribute.

The text is kept, but cannot be searched for: Redis itself has no full-text search. To fetch a memory by its id is another
thing and would be compared with searches, so there is no recall here: a scenario says recall_weight = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from perfgate.dataset import Dataset, node_id, stored_id
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import GOOD, Judgement, Shape, shorten, wrong_answer
from perfgate.targets.model import Target
from perfgate.targets.protocol import VALUE, WireProtocol
from perfgate.targets.resp import bulk, command, decode
from perfgate.targets.results import judge_results, wanted_ids

COUNT_ALL = b"local n = 0 for _, key in ipairs(KEYS) do n = n + redis.call('VCARD', key) end return n"
"""VCARD of several sets in one command."""


class RedisVectorsAdapter:
    """Vectors travel as the 32-bit floats that they are. Everything but id, text and vector is joined once."""

    protocol = WireProtocol.RESP

    def __init__(self, target: Target, dataset: Dataset, host: str, port: int) -> None:
        options = target.options
        self.operations = target.operations
        self._dataset = dataset
        self._results = int(options["k"])
        name = str(options["space"])
        self._keys = [
            (name if dataset.spaces == 1 else f"{name}-{number}").encode() for number in range(dataset.spaces)
        ]
        size = 4 * dataset.dim
        ef_construction, m = _number(options["ef_construction"]), _number(options["m"])
        quantization = str(options["quantization"]).encode()
        # VADD key FP32 vector id quantization EF n SETATTR json M n
        self._add = [b"*12\r\n%b%b%b$%d\r\n" % (bulk(b"VADD"), bulk(key), bulk(b"FP32"), size) for key in self._keys]
        self._built = b"".join(map(bulk, (quantization, b"EF", ef_construction, b"M", m, b"SETATTR")))
        # VSIM key FP32 vector WITHSCORES COUNT k EF n
        self._ask = [b"*9\r\n%b%b%b$%d\r\n" % (bulk(b"VSIM"), bulk(key), bulk(b"FP32"), size) for key in self._keys]
        self._limits = b"\r\n" + b"".join(
            map(bulk, (b"WITHSCORES", b"COUNT", _number(options["k"]), b"EF", _number(options["ef"])))
        )

    def encode(self, operation: Operation, key: int, index: int) -> bytes:
        data = self._dataset
        if operation is Operation.STORE:
            return self._store(data.space(key), data.pool[key], stored_id(index), data.pool_text(index))
        return b"".join((self._ask[data.space(key)], data.queries[key].tobytes(), self._limits))

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        if status != VALUE:
            return Judgement(Outcome.BAD_STATUS, example=f"{operation.value}: {shorten(body)}")
        if not deep:
            right = body[:1] == self.shape(operation).first
            return GOOD if right else wrong_answer(operation, "another kind of reply", body)
        try:
            reply = decode(body)
            if operation is Operation.STORE:
                return GOOD if reply in (0, 1) else wrong_answer(operation, "neither 1 (new) nor 0 (replaced)", body)
            ids, scores = [one.decode() for one in reply[::2]], [float(score) for score in reply[1::2]]
            wanted = wanted_ids(self._dataset, operation, key, self._results)
            return judge_results(operation, ids, scores, wanted, body, falling=True)
        except (ValueError, TypeError, AttributeError) as error:
            return wrong_answer(operation, str(error), body)

    def shape(self, operation: Operation) -> Shape:
        return Shape(VALUE, b":" if operation is Operation.STORE else b"*")

    def encode_load(self, node: int) -> bytes:
        data = self._dataset
        return self._store(data.space(node), data.nodes[node], node_id(node), data.text(node))

    def encode_load_batch(self, nodes: Sequence[int]) -> bytes | None:
        return None

    def loaded(self, status: int, body: bytes) -> str:
        return "" if status == VALUE and body in (b":1\r\n", b":0\r\n") else shorten(body)

    def encode_count(self) -> bytes:
        if len(self._keys) == 1:
            return command(b"VCARD", self._keys[0])
        return command(b"EVAL", COUNT_ALL, _number(len(self._keys)), *self._keys)

    def read_count(self, status: int, body: bytes) -> int:
        count = decode(body)
        if not isinstance(count, int):
            raise ValueError(f"no count in {shorten(body)}")
        return count

    def alive_request(self) -> bytes:
        return command(b"PING")

    def encode_get(self, key: int) -> bytes:
        space = self._keys[self._dataset.recall_space(key)]
        return command(b"VEMB", space, self._dataset.recall_id(key).encode(), b"RAW")

    def got(self, key: int, status: int, body: bytes) -> bool:
        return decode(body) is not None

    def _store(self, space: int, vector: Any, identity: str, text: str) -> bytes:
        about = orjson.dumps({"text": text})
        return b"".join(
            (self._add[space], vector.tobytes(), b"\r\n", bulk(identity.encode()), self._built, bulk(about))
        )


def _number(value: Any) -> bytes:
    return str(int(value)).encode()
