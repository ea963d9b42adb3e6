"""The seam to stores: an adapter turns (operation, key) into a request ahead of time, and a reply into a judgement."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from perfgate.dataset import Dataset
from perfgate.errors import MeasurementError
from perfgate.operation import OPERATIONS, Operation
from perfgate.outcome import Outcome
from perfgate.requests import Requests
from perfgate.targets.model import Target
from perfgate.targets.packaged import packaged_adapter
from perfgate.targets.protocol import Payload
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
    may block. All `encode…` methods give complete requests of its protocol: HTTP/1.1, unless it says otherwise (see
    perfgate.targets.protocol)."""

    @property
    def operations(self) -> frozenset[Operation]:
        """What the target can be asked for."""
        ...

    def encode(self, operation: Operation, key: int, index: int) -> Payload:
        """key and index as in perfgate.requests.Requests."""
        ...

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        """deep: look into the body and compare with the truth."""
        ...

    def shape(self, operation: Operation) -> Shape:
        """Of its good replies; `judge(..., deep=False)` must be GOOD for every reply of this shape."""
        ...

    def encode_load(self, node: int) -> Payload:
        """Store node `node` of the data set before a run."""
        ...

    def encode_load_batch(self, nodes: Sequence[int]) -> Payload | None:
        """The same for several at once; None where the store has no way to do that."""
        ...

    def loaded(self, status: int, body: bytes) -> str:
        """Empty when a load request succeeded, otherwise what the store said."""
        ...

    def encode_count(self) -> Payload:
        """Ask how many memories there are."""
        ...

    def read_count(self, status: int, body: bytes) -> int:
        """Raises ValueError for a reply that holds no count."""
        ...

    def alive_request(self) -> Payload:
        """Any status below 300 in reply means that the store is ready."""
        ...


@runtime_checkable
class BlockEncoder(Protocol):
    """An adapter that can do many requests at once cheaper than one by one."""

    def encode_block(self, block: Requests) -> EncodedBlock:
        """The same bytes as `encode` gives for each."""
        ...


@runtime_checkable
class EachEncoder(Protocol):
    """An adapter that encodes a row of requests cheaper than one by one, but not at once."""

    def encode_each(self, block: Requests) -> Iterator[bytes]:
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

    def preparations(self) -> Sequence[Payload]:
        """Requests to be sent one after the other."""
        ...

    def prepared(self, number: int, status: int, body: bytes) -> str:
        """Empty when preparation `number` succeeded, otherwise what the store said."""
        ...


@runtime_checkable
class Learning(Protocol):
    """An adapter whose store makes up names of its own (the id of a collection), which requests must hold. Whoever makes
    such an adapter asks the store once, before anything else but readiness and preparations."""

    def questions(self) -> Sequence[Payload]:
        """Requests to be sent one after the other."""
        ...

    def learn(self, number: int, status: int, body: bytes) -> None:
        """Remember what the reply to question `number` says. Raises ValueError for one that does not."""
        ...


class NotLearned(MeasurementError):
    """A request was asked for that holds what has not been learned yet."""


@dataclass(frozen=True, slots=True)
class LastStep:
    """A request that follows loading, and is repeated until its reply says that it is done, or timeout_ns is over."""

    request: Payload
    timeout_ns: int


@runtime_checkable
class Finishing(Protocol):
    """An adapter whose store is not ready to be measured when all is loaded: an index is built, a queue is worked off."""

    def finishing(self) -> list[LastStep]:
        """In order."""
        ...

    def finished(self, number: int, status: int, body: bytes) -> str:
        """Empty when step `number` is done, otherwise what is not yet. Raises ValueError for what waiting does not mend."""
        ...


@runtime_checkable
class Getter(Protocol):
    """An adapter that can ask for one memory by its id."""

    def encode_get(self, key: int) -> Payload | None:
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
    """One request of a block after the other, of an adapter whose requests are bytes."""
    if isinstance(adapter, EachEncoder):
        return adapter.encode_each(block)
    encode = adapter.encode
    rows = zip(block.operation.tolist(), block.key.tolist(), block.index.tolist(), strict=True)
    return (cast(bytes, encode(OPERATIONS[code], key, index)) for code, key, index in rows)


def make_adapter(target: Target, dataset: Dataset, host: str, port: int) -> Adapter:
    """The adapter that the target names, for a store that requests name as host:port, or as host where port is 0."""
    if target.adapter not in ADAPTERS and (found := packaged_adapter(target.adapter)) is not None:
        return found.make(target, dataset, host, port)
    kind = ADAPTERS[target.adapter]
    factory = getattr(importlib.import_module(kind.module), kind.factory)
    return cast(Adapter, factory(target, dataset, host, port))
