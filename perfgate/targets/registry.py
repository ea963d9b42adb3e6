"""The adapters there are, described without importing them: what they can do and which options they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perfgate.operation import Operation


@dataclass(frozen=True, slots=True)
class AdapterKind:
    """module, factory: where the adapter is made. options: the names of `[options]` with their defaults."""

    module: str
    factory: str
    operations: frozenset[Operation]
    options: Mapping[str, str | int | float | bool]


ADAPTERS: Mapping[str, AdapterKind] = {
    "engram": AdapterKind(
        module="perfgate.targets.engram",
        factory="EngramAdapter",
        operations=frozenset({Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH}),
        # Below about 0.71 Engram puts a memory into a tier whose recall ignores the query.
        options={"confidence": 0.95, "threshold": 0.5, "max_results": 10, "space": "default"},
    ),
}
