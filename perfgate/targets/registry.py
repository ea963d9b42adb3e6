"""The adapters there are, described without importing them. Their options are in perfgate.targets.schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perfgate.operation import Operation


@dataclass(frozen=True, slots=True)
class AdapterKind:
    """module, factory: where the adapter is made. operations: what it can be asked for."""

    module: str
    factory: str
    operations: frozenset[Operation]


ADAPTERS: Mapping[str, AdapterKind] = {
    "engram": AdapterKind(
        module="perfgate.targets.engram",
        factory="EngramAdapter",
        operations=frozenset({Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH}),
    ),
    "http": AdapterKind(
        module="perfgate.targets.http_template",
        factory="HttpTemplateAdapter",
        operations=frozenset(Operation),  # of these, those that the file has requests for
    ),
    "falkordb": AdapterKind(
        module="perfgate.targets.falkordb",
        factory="FalkorDbAdapter",
        operations=frozenset({Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH}),
    ),
    "pgvector": AdapterKind(
        module="perfgate.targets.pgvector",
        factory="PgvectorAdapter",
        operations=frozenset({Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH}),
    ),
    "redis": AdapterKind(
        module="perfgate.targets.redis_vectors",
        factory="RedisVectorsAdapter",
        operations=frozenset({Operation.STORE, Operation.EMBEDDING_SEARCH}),
    ),
    "http_get": AdapterKind(
        module="perfgate.targets.http_get",
        factory="HttpGetAdapter",
        operations=frozenset({Operation.RECALL}),
    ),
}
