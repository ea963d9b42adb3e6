"""A scenario: what is sent, how fast, against how much data, and what must hold. Frozen; made by `scenario.load`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from perfgate.operation import Operation
from perfgate.scenario.trace import Trace

Spacing = Literal["regular", "poisson"]

MAX_QUERIES = 2_000
"""Different queries of a run: enough that no store answers from a cache of results, few enough for exact answers."""
MAX_STORE_POOL = 16_384
"""Different vectors that are stored during a run; a longer run stores them again under new identities."""


@dataclass(frozen=True, slots=True)
class ArrivalSpec:
    """`[arrival]`: the pattern's name and its parameters, e.g. {"rate": 1000.0}; every default is filled in.

    spacing: whether arrivals keep their distance as the rate says, or fall at random. parts: of a composite pattern,
    each with its weight. trace: of a replay.
    """

    pattern: str
    parameters: Mapping[str, Any]
    spacing: Spacing = "regular"
    parts: tuple[tuple[ArrivalSpec, float], ...] = ()
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class MixStage:
    """The operations' shares from `from_ns` of the day until the next stage; they add up to 1."""

    from_ns: int
    shares: Mapping[Operation, float]


@dataclass(frozen=True, slots=True)
class MixSpec:
    """`[operations]` as it is drawn from: the same stages every day, the first from_ns is 0.

    start_ns: the time of day at which the plan starts. Days are as long as the plan sees them: 24 h divided by the
    time compression.
    """

    day_ns: int
    start_ns: int
    stages: tuple[MixStage, ...]


@dataclass(frozen=True, slots=True)
class CorrelationSpec:
    """`[correlation]`: the share of the stores that a recall of the stored memory follows, and how long after."""

    store_to_recall_prob: float
    delay_ns: int


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
class SpacesSpec:
    """`[spaces]`: the share of the requests that each memory space gets; they add up to 1."""

    shares: tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.shares)


@dataclass(frozen=True, slots=True)
class NeighbourSpec:
    """`[noisy_neighbour]`: the space that is asked `factor` times as much. sent: whether the second arm is sent that; only
    `perfgate neighbour` does."""

    space: int
    factor: float
    sent: bool = False


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
    """Which share of all requests each operation has over the scenario's duration, in the order of OPERATIONS; only
    positive ones; they add up to 1."""
    data: DataSpec
    validation: ValidationSpec
    connection: ConnectionSpec
    gate: Mapping[str, Any]
    """`[gate]` as checked values; perfgate.gate.policy makes a Policy of it."""
    seed: int
    """The default seed of the plan and of the data: 1 unless the file or the command line says otherwise."""
    source: str
    """The canonical JSON of the file's content: what goes over the wire and into the scenario's hash."""
    mix: MixSpec | None = None
    """Where the operations of arrivals are drawn from; None where that is `weights` all the time, or a trace."""
    correlation: CorrelationSpec | None = None
    spaces: SpacesSpec | None = None
    """None: requests are spread over data.memory_spaces as nodes, queries and pool are, which is evenly."""
    neighbour: NeighbourSpec | None = None
    key_exponent: float = 0.0
    """Of the Zipf law by which recalls and searches choose among keys; 0: all alike."""

    @property
    def digest(self) -> str:
        """16 hex digits that name the content."""
        import hashlib

        return hashlib.sha256(self.source.encode()).hexdigest()[:16]
