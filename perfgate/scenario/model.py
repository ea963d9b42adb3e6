"""A scenario: what is sent, how fast, against how much data, and what must hold. Frozen; made by `scenario.load`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perfgate.operation import Operation

MAX_QUERIES = 2_000
"""Different queries of a run: enough that no store answers from a cache of results, few enough for exact answers."""
MAX_STORE_POOL = 16_384
"""Different vectors that are stored during a run; a longer run stores them again under new identities."""


@dataclass(frozen=True, slots=True)
class ArrivalSpec:
    """`[arrival]`: the pattern's name and its parameters as numbers, e.g. {"rate": 1000.0}."""

    pattern: str
    parameters: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EmbeddingSpec:
    """`[data] embedding_distribution`: kind is uniform, clustered, hot_spot or file.

    clustered: num_clusters, std_dev (of one coordinate, centres have length 1). hot_spot: share of the nodes that lie
    in one spot, std_dev. file: path to .npy or .fvecs, std_dev of the jitter (None: chosen so that search is as hard
    as on the real vectors).
    """

    kind: str = "uniform"
    num_clusters: int = 100
    std_dev: float | None = None
    share: float = 0.5
    path: str | None = None


@dataclass(frozen=True, slots=True)
class DataSpec:
    """`[data]`."""

    num_nodes: int
    embedding_dim: int
    memory_spaces: int
    embedding: EmbeddingSpec


@dataclass(frozen=True, slots=True)
class ValidationSpec:
    """`[validation]`: absolute limits; None means no limit. max_error_rate is a fraction of all requests."""

    expected_p99_latency_ms: float | None
    expected_throughput_ops_sec: float | None
    max_error_rate: float | None


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """`[connection]`: the most connections of the whole run to one store, and the timeout of a request, from its
    intended time."""

    connections: int
    timeout_ns: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario file, checked."""

    name: str
    description: str
    duration_ns: int
    arrival: ArrivalSpec
    weights: Mapping[Operation, float]
    """Only operations with a positive weight, in the order of OPERATIONS; the values add up to 1."""
    data: DataSpec
    validation: ValidationSpec
    connection: ConnectionSpec
    gate: Mapping[str, Any]
    """`[gate]` as checked values; perfgate.gate.policy makes a Policy of it."""
    seed: int
    """The default seed of the plan and of the data: 1 unless the file or the command line says otherwise."""
    source: str
    """The canonical JSON of the file's content: what goes over the wire and into the scenario's hash."""

    @property
    def digest(self) -> str:
        """16 hex digits that name the content."""
        import hashlib

        return hashlib.sha256(self.source.encode()).hexdigest()[:16]
