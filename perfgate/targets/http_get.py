"""One path of an HTTP server: the least that can be measured of a server that holds no data of ours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perfgate.dataset import Dataset
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.requests import Requests
from perfgate.targets.adapter import GOOD, EncodedBlock, Judgement, Shape, shorten
from perfgate.targets.model import Target

FOUND = Judgement(Outcome.OK, found=1, expected=1)


class HttpGetAdapter:
    """Every request is the same GET, and a reply of status 200 is right; one that is checked deeply must also hold the
    text of the option `contains`. Nothing is stored: to load such a server is to ask for the path, and it always
    counts as complete."""

    def __init__(self, target: Target, dataset: Dataset, host: str, port: int) -> None:
        self.operations = target.operations
        self._num_nodes = dataset.num_nodes
        self._contains = str(target.options["contains"]).encode()
        address = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
        self._request = f"GET {target.options['path']} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode("ascii")

    def encode(self, operation: Operation, key: int, index: int) -> bytes:
        return self._request

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        if status != 200:
            return Judgement(Outcome.BAD_STATUS, example=f"status {status}: {shorten(body)}")
        if not deep:
            return GOOD
        if self._contains not in body:
            wanted = self._contains.decode()
            return Judgement(Outcome.WRONG_ANSWER, example=f"{wanted!r} is not in {shorten(body)}")
        return FOUND

    def shape(self, operation: Operation) -> Shape:
        return Shape(200)

    def encode_block(self, block: Requests) -> EncodedBlock:
        """All are the same bytes, in the same place."""
        size = np.uint32(len(self._request))
        return self._request, np.zeros(len(block), np.uint64), np.full(len(block), size, np.uint32)

    def encode_load(self, node: int) -> bytes:
        return self._request

    def encode_load_batch(self, nodes: Sequence[int]) -> bytes | None:
        return None

    def loaded(self, status: int, body: bytes) -> str:
        return "" if status == 200 else f"status {status}: {shorten(body)}"

    def encode_count(self) -> bytes:
        return self._request

    def read_count(self, status: int, body: bytes) -> int:
        if problem := self.loaded(status, body):
            raise ValueError(problem)
        return self._num_nodes

    def alive_request(self) -> bytes:
        return self._request
