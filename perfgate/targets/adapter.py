"""The seam to stores: an adapter turns (operation, key) into bytes ahead of time, and a reply into a judgement."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from perfgate.dataset import Dataset
from perfgate.operation import Operation
from perfgate.outcome import Outcome
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


def make_adapter(target: Target, dataset: Dataset, host: str, port: int) -> Adapter:
    """The adapter that the target names, for a store that requests name as host:port, or as host where port is 0."""
    kind = ADAPTERS[target.adapter]
    factory = getattr(importlib.import_module(kind.module), kind.factory)
    return cast(Adapter, factory(target, dataset, host, port))
