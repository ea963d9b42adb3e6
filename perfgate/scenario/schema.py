"""The form of a scenario file. Checks types, ranges and names; `load` makes a frozen Scenario of what passes."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from perfgate.scenario.arrival_schema import AnyArrival, Replay, other_names
from perfgate.scenario.operations_schema import Correlation, Keys, Operations, search_weight
from perfgate.scenario.spaces_schema import NoisyNeighbour, Spaces
from perfgate.scenario.tables import MAX_SECONDS, Table, not_blank, refuse

Spread = Annotated[float | None, Field(gt=0, le=1000, examples=[0.1])]


def _vector_file_name(value: str) -> str:
    if not value.lower().endswith((".npy", ".fvecs")):
        raise PydanticCustomError("form", "another kind of file", {"wish": "the path of a .npy or .fvecs file"})
    return value


class Duration(Table):
    total_seconds: float = Field(gt=0, le=MAX_SECONDS, examples=[300])


class Uniform(Table):
    type: Literal["uniform"]


class Clustered(Table):
    """std_dev: a coordinate, around the cluster's centre, whose length is 1; None: chosen to suit the dimension."""

    type: Literal["clustered"]
    num_clusters: int = Field(default=100, ge=1, le=1_000_000, examples=[100])
    std_dev: Spread = None


class HotSpot(Table):
    """share: of the vectors that lie around one centre. std_dev: a coordinate, around it; None: to suit the dimension."""

    type: Literal["hot_spot"]
    share: float = Field(default=0.5, gt=0, le=1, examples=[0.5])
    std_dev: Spread = None


class VectorFile(Table):
    """path: of a .npy or .fvecs file, seen from the scenario file. std_dev: of the jitter that makes more vectors of
    it; None: chosen."""

    type: Literal["file"]
    path: Annotated[str, Field(examples=["vectors.npy"]), AfterValidator(_vector_file_name)]
    std_dev: Spread = None


def _as_table(value: Any) -> Any:
    """`"uniform"` and `{kind = "uniform"}` are other ways to write `{type = "uniform"}`."""
    if isinstance(value, str):
        return {"type": value}
    if isinstance(value, dict) and "kind" in value and "type" not in value:
        return {("type" if key == "kind" else key): item for key, item in value.items()}
    if not isinstance(value, dict):
        raise PydanticCustomError("table_type", "must be a name or a table")
    return value


class Data(Table):
    """num_nodes: memories that are loaded before. memory_spaces: over which they are dealt out evenly."""

    num_nodes: int = Field(ge=100, le=1_000_000_000, examples=[10_000])
    embedding_dim: int = Field(ge=2, le=65_536, examples=[768])
    memory_spaces: int = Field(default=1, ge=1, le=100_000, examples=[1])
    embedding_distribution: Annotated[
        Annotated[Uniform | Clustered | HotSpot | VectorFile, Field(discriminator="type")], BeforeValidator(_as_table)
    ] = Uniform(type="uniform")

    @model_validator(mode="after")
    def _no_empty_spaces(self) -> Self:
        if self.memory_spaces > self.num_nodes:
            refuse("memory_spaces", f"at most num_nodes ({self.num_nodes})")
        return self


class Validation(Table):
    """None: no limit. The latency is a response time; max_error_rate is a share of all requests."""

    expected_p99_latency_ms: float | None = Field(default=None, gt=0, examples=[10.0])
    expected_throughput_ops_sec: float | None = Field(default=None, gt=0, examples=[800.0])
    max_error_rate: float | None = Field(default=None, ge=0, le=1, examples=[0.01])


class Connection(Table):
    """connections: the most to one store, of all agents together. timeout_seconds: from a request's intended time."""

    connections: int = Field(default=64, ge=1, le=65_536, examples=[64])
    timeout_seconds: float = Field(default=10.0, gt=0, le=3600, examples=[10.0])


class Chaos(Table):
    enabled: bool = Field(default=False, examples=[False])

    @model_validator(mode="after")
    def _not_yet(self) -> Self:
        if self.enabled:
            refuse("enabled", "false, because chaos does not exist yet")
        return self


class Gate(Table):
    """None: as the policy has it. Each key is a field of perfgate.gate.policy.Policy, in the unit that its own name
    ends in. A policy file has the same keys, and `perfgate policy` says why each value is as it is."""

    policy: Literal["standard", "quick"] | None = Field(default=None, examples=["standard"])
    mode: Literal["alternation", "duet"] | None = Field(default=None, examples=["alternation"])
    margin: float | None = Field(default=None, gt=0, lt=1, examples=[0.05])
    competitive: bool | None = Field(default=None, examples=[True])
    floor_ms: float | None = Field(default=None, ge=0, le=60_000, examples=[0.5])
    looks: list[Annotated[int, Field(ge=2, le=1000)]] | None = Field(
        default=None, min_length=1, max_length=20, examples=[[12, 16, 20, 24, 30]]
    )
    pass_from: int | None = Field(default=None, ge=2, le=1000, examples=[20])
    min_pairs: int | None = Field(default=None, ge=2, le=1000, examples=[12])
    primary: Literal["p50", "p95", "p99"] | None = Field(default=None, examples=["p99"])
    primary_share: float | None = Field(default=None, gt=0, lt=1, examples=[0.8])
    operation_margin_factor: float | None = Field(default=None, ge=1, le=100, examples=[1.6])
    group_keeps: float | None = Field(default=None, gt=0, le=1, examples=[0.94])
    alpha_block: float | None = Field(default=None, gt=0, lt=0.5, examples=[0.005])
    alpha_quality: float | None = Field(default=None, gt=0, lt=0.5, examples=[0.001])
    alpha_pass: float | None = Field(default=None, gt=0, lt=0.5, examples=[0.05])
    error_margin: float | None = Field(default=None, ge=0, lt=1, examples=[0.001])
    recall_margin: float | None = Field(default=None, ge=0, lt=1, examples=[0.005])
    slice_ms: float | None = Field(default=None, ge=10, le=60_000, examples=[250])
    measured_seconds: float | None = Field(default=None, gt=0, le=3600, examples=[9.0])
    warmup_seconds: float | None = Field(default=None, ge=0, le=3600, examples=[1.0])
    inconclusive: Literal["warn", "block"] | None = Field(default=None, examples=["warn"])
    trim: float | None = Field(default=None, ge=0, lt=0.5, examples=[0.10])
    couple_trim: float | None = Field(default=None, ge=0, lt=0.5, examples=[0.20])
    group_requests: int | None = Field(default=None, ge=1, le=1_000_000, examples=[400])
    starts: int | None = Field(default=None, ge=0, le=500, examples=[5])
    max_lag_p99_ms: float | None = Field(default=None, gt=0, le=1000, examples=[1.0])
    max_worker_cpu: float | None = Field(default=None, gt=0, le=1, examples=[0.9])
    max_core_wait: float | None = Field(default=None, gt=0, le=1, examples=[0.05])
    max_steal: float | None = Field(default=None, gt=0, le=1, examples=[0.05])
    max_gc_pause_ms: float | None = Field(default=None, ge=0, le=1000, examples=[0])
    agent_loss: Literal["invalid", "continue"] | None = Field(default=None, examples=["invalid"])
    max_start_spread_ms: float | None = Field(default=None, gt=0, le=10_000, examples=[20.0])
    start_spread: Literal["warn", "invalid"] | None = Field(default=None, examples=["warn"])

    @model_validator(mode="after")
    def _looks_ascend(self) -> Self:
        if self.looks and any(after <= before for before, after in pairwise(self.looks)):
            refuse("looks", "numbers of pairs in ascending order")
        return self


class ScenarioFile(Table):
    """The whole file."""

    name: Annotated[str, Field(max_length=200, examples=["My scenario"]), AfterValidator(not_blank)]
    description: str = Field(default="", max_length=10_000, examples=["What it is for"])
    seed: int = Field(default=1, ge=0, le=2**63 - 1, examples=[1])
    duration: Duration
    arrival: Annotated[Annotated[AnyArrival, Field(discriminator="pattern")], BeforeValidator(other_names)]
    operations: Annotated[Operations | None, BeforeValidator(search_weight)] = None
    keys: Keys | None = None
    correlation: Correlation | None = None
    data: Data
    spaces: Spaces | None = None
    noisy_neighbour: NoisyNeighbour | None = None
    validation: Validation = Validation()
    connection: Connection = Connection()
    chaos: Chaos = Chaos()
    gate: Gate = Gate()

    @model_validator(mode="after")
    def _operations_have_one_source(self) -> Self:
        replays, correlated = isinstance(self.arrival, Replay), self.correlation and self.correlation.enabled
        if self.operations is None and not replays:
            raise PydanticCustomError("no_operations", "operations are missing")
        if self.operations is not None and replays:
            refuse("operations", "left out where [arrival] replays a trace, which names its own")
        if replays and correlated:
            refuse("correlation", "left out where [arrival] replays a trace, which names its own recalls")
        if replays and self.keys is not None:
            refuse("keys", "left out where [arrival] replays a trace, which names its own")
        if correlated and not self._stores():
            refuse("correlation", "left out where nothing is stored: write [operations] store_weight")
        return self

    @model_validator(mode="after")
    def _spaces_fit(self) -> Self:
        if self.spaces is None:
            if self.noisy_neighbour is not None:
                refuse("noisy_neighbour", "left out where there is no [spaces]")
            return self
        if isinstance(self.arrival, Replay):
            refuse("spaces", "left out where [arrival] replays a trace, whose keys have their own")
        if "memory_spaces" in self.data.model_fields_set and self.data.memory_spaces != self.spaces.count:
            refuse("spaces", f"with count = data.memory_spaces ({self.data.memory_spaces}), or leave that out")
        if self.spaces.count > self.data.num_nodes:
            refuse("spaces", f"with a count of at most data.num_nodes ({self.data.num_nodes})")
        if self.noisy_neighbour is not None:
            _check_neighbour(self.noisy_neighbour, self.spaces)
        return self

    def _stores(self) -> bool:
        parts = [] if self.operations is None else [self.operations, *(self.operations.diurnal_schedule or [])]
        return any(part.store_weight > 0 for part in parts)


def _check_neighbour(neighbour: NoisyNeighbour, spaces: Spaces) -> None:
    shares = spaces.shares()
    if neighbour.space >= spaces.count:
        refuse("noisy_neighbour", f"one of the spaces 0 to {spaces.count - 1}")
    if not shares[neighbour.space]:
        refuse("noisy_neighbour", f"a space that is asked something: spaces.weights gives {neighbour.space} nothing")
    if sum(share > 0 for share in shares) < 2:
        refuse("noisy_neighbour", "left out where only one space is asked: nobody would be disturbed")
