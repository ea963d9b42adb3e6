"""The seam to stores: an adapter turns (operation, key) into bytes ahead of time, and a reply into a judgement."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from perfgate.dataset import Dataset
from perfgate.operation import OPERATIONS, Operation
from perfgate.outcome import Outcome
from perfgate.requests import Requests
from perfgate.targets.model import Target
from perfgate.targets.registry import ADAPTERS


@dataclass(frozen=True, slots=True)
class Judgement:
    """outcome of a complete reply; found of expected true answers it holds (0 of 0 when not checked deeply); example:
    what was wrong, truncated."""

    outcome: Outcome
    found: int = 0
    expected: int = 0
    example: str = ""


GOOD = Judgement(Outcome.OK)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a good reply looks like from outside: its status, and the first byte of its body (empty: any, or no body).

    A reply of this shape that is not checked deeply is GOOD without being shown to `judge`.
    """

    status: int
    first: bytes = b""


EXAMPLE_BYTES = 160


def shorten(body: bytes) -> str:
    """The beginning of a reply, for messages."""
    text = body[:EXAMPLE_BYTES].decode(errors="replace")
    return text + ("…" if len(body) > EXAMPLE_BYTES else "")


def wrong_answer(operation: Operation, what: str, body: bytes) -> Judgement:
    """A well-formed reply that says something else than was asked."""
    return Judgement(Outcome.WRONG_ANSWER, example=f"{operation.value}: {what} in {shorten(body)}")


EncodedBlock = tuple[bytes, NDArray[np.uint64], NDArray[np.uint32]]
"""The bytes of n requests, and where in them each lies: offsets and sizes, uint64 (n) and uint32 (n)."""


class Adapter(Protocol):
    """One store at one address. `encode` runs ahead of a request's time, `judge` after its time is taken; neither
    may block. All `encode…` methods give complete HTTP/1.1 requests."""

    @property
    def operations(self) -> frozenset[Operation]:
        """What the target can be asked for."""
        ...

    def encode(self, operation: Operation, key: int, index: int) -> bytes:
        """key and index as in perfgate.requests.Requests."""
        ...

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        """deep: look into the body and compare with the truth."""
        ...

    def shape(self, operation: Operation) -> Shape:
        """Of its good replies; `judge(..., deep=False)` must be GOOD for every reply of this shape."""
        ...

    def encode_load(self, node: int) -> bytes:
        """Store node `node` of the data set before a run."""
        ...

    def encode_load_batch(self, nodes: Sequence[int]) -> bytes | None:
        """The same for several at once; None where the store has no way to do that."""
        ...

    def loaded(self, status: int, body: bytes) -> str:
        """Empty when a load request succeeded, otherwise what the store said."""
        ...

    def encode_count(self) -> bytes:
        """Ask how many memories there are."""
        ...

    def read_count(self, status: int, body: bytes) -> int:
        """Raises ValueError for a reply that holds no count."""
        ...

    def alive_request(self) -> bytes:
        """Any status below 300 in reply means that the store is ready."""
        ...


@runtime_checkable
class BlockEncoder(Protocol):
    """An adapter that can do many requests at once cheaper than one by one."""

    def encode_block(self, block: Requests) -> EncodedBlock:
        """The same bytes as `encode` gives for each."""
        ...


@runtime_checkable
class BatchLoader(Protocol):
    """An adapter whose `encode_load_batch` takes several nodes at once."""

    @property
    def load_batch(self) -> int:
        """At most how many; 1: none but one by one."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """An adapter whose store must be told something (a schema) before it is loaded."""

    def preparations(self) -> list[bytes]:
        """Requests to be sent one after the other."""
        ...

    def prepared(self, number: int, status: int, body: bytes) -> str:
        """Empty when preparation `number` succeeded, otherwise what the store said."""
        ...


@runtime_checkable
class Getter(Protocol):
    """An adapter that can ask for one memory by its id."""

    def encode_get(self, key: int) -> bytes | None:
        """key: a node, or below 0 ~index of a memory stored during a run. None where the target has no way to ask."""
        ...

    def got(self, key: int, status: int, body: bytes) -> bool:
        """Whether it is there. Raises ValueError for a reply that says neither."""
        ...


def encode_block(adapter: Adapter, block: Requests) -> EncodedBlock:
    """All requests of a block as bytes."""
    if isinstance(adapter, BlockEncoder):
        return adapter.encode_block(block)
    encoded = list(encode_each(adapter, block))
    sizes = np.fromiter(map(len, encoded), dtype=np.uint32, count=len(encoded))
    ends = np.cumsum(sizes, dtype=np.uint64)
    return b"".join(encoded), ends - sizes, sizes


def encode_each(adapter: Adapter, block: Requests) -> Iterator[bytes]:
    """One request of a block after the other."""
    encode = adapter.encode
    rows = zip(block.operation.tolist(), block.key.tolist(), block.index.tolist(), strict=True)
    return (encode(OPERATIONS[code], key, index) for code, key, index in rows)


def make_adapter(target: Target, dataset: Dataset, host: str, port: int) -> Adapter:
    """The adapter that the target names, for a store that requests name as host:port, or as host where port is 0."""
    kind = ADAPTERS[target.adapter]
    factory = getattr(importlib.import_module(kind.module), kind.factory)
    return cast(Adapter, factory(target, dataset, host, port))
