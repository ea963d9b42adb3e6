"""The form of a scenario file. Checks types, ranges and names; `load` makes a frozen Scenario of what passes.

Every number is strict (no bool, no text, no infinity); examples are what a message tells the user to write.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

MAX_RATE = 1_000_000.0
MAX_SECONDS = 31_536_000.0  # a year


class Table(BaseModel):
    """A TOML table that knows its keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, value: Any) -> Any:
        """Before anything else: a misspelt key is one mistake, not an unknown key and a missing one."""
        if not isinstance(value, dict):
            raise PydanticCustomError("table_type", "must be a table")
        for key in value:
            if key not in cls.model_fields:
                raise PydanticCustomError("unknown_key", "unknown key", {"key": key, "known": [*cls.model_fields]})
        return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("form", "blank", {"wish": "more than blanks"})
    return value


def _vector_file_name(value: str) -> str:
    if not value.lower().endswith((".npy", ".fvecs")):
        raise PydanticCustomError("form", "another kind of file", {"wish": "the path of a .npy or .fvecs file"})
    return value


Rate = Annotated[float, Field(gt=0, le=MAX_RATE, examples=[1000.0])]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS, examples=[30.0])]
Weight = Annotated[float, Field(ge=0, le=1e9, examples=[0.35])]
Spread = Annotated[float | None, Field(gt=0, le=1000, examples=[0.1])]


class Duration(Table):
    total_seconds: float = Field(gt=0, le=MAX_SECONDS, examples=[300])


class Constant(Table):
    pattern: Literal["constant"]
    rate: Rate


class Poisson(Table):
    pattern: Literal["poisson"]
    rate: Rate


def _rate_for_lambda(value: Any) -> Any:
    """Other load testers call the rate of a Poisson process `lambda`."""
    if isinstance(value, dict) and value.get("pattern") == "poisson" and "lambda" in value and "rate" not in value:
        return {("rate" if key == "lambda" else key): item for key, item in value.items()}
    return value


class PeriodicBurst(Table):
    pattern: Literal["periodic_burst"]
    base_rate: float = Field(ge=0, le=MAX_RATE, examples=[500.0])
    burst_rate: Rate
    burst_duration_sec: Seconds
    burst_period_sec: Annotated[float, Field(gt=0, le=MAX_SECONDS, examples=[300.0])]

    @model_validator(mode="after")
    def _burst_fits_its_period(self) -> Self:
        if self.burst_duration_sec > self.burst_period_sec:
            wish = f"at most burst_period_sec ({self.burst_period_sec:g})"
            raise PydanticCustomError("field_value", "does not fit", {"key": "burst_duration_sec", "wish": wish})
        return self


class Operations(Table):
    store_weight: Weight = 0.0
    recall_weight: Weight = 0.0
    embedding_search_weight: Weight = 0.0
    pattern_completion_weight: Weight = 0.0

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if not any(value > 0 for value in self.__dict__.values()):
            raise PydanticCustomError("all_zero", "all weights are zero")
        return self


class Uniform(Table):
    type: Literal["uniform"]


class Clustered(Table):
    type: Literal["clustered"]
    num_clusters: int = Field(default=100, ge=1, le=1_000_000, examples=[100])
    std_dev: Spread = None


class HotSpot(Table):
    type: Literal["hot_spot"]
    share: float = Field(default=0.5, gt=0, le=1, examples=[0.5])
    std_dev: Spread = None


class VectorFile(Table):
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
    num_nodes: int = Field(ge=100, le=1_000_000_000, examples=[10_000])
    embedding_dim: int = Field(ge=2, le=65_536, examples=[768])
    memory_spaces: int = Field(default=1, ge=1, le=100_000, examples=[1])
    embedding_distribution: Annotated[
        Annotated[Uniform | Clustered | HotSpot | VectorFile, Field(discriminator="type")], BeforeValidator(_as_table)
    ] = Uniform(type="uniform")

    @model_validator(mode="after")
    def _no_empty_spaces(self) -> Self:
        if self.memory_spaces > self.num_nodes:
            wish = f"at most num_nodes ({self.num_nodes})"
            raise PydanticCustomError("field_value", "does not fit", {"key": "memory_spaces", "wish": wish})
        return self


class Validation(Table):
    expected_p99_latency_ms: float | None = Field(default=None, gt=0, examples=[10.0])
    expected_throughput_ops_sec: float | None = Field(default=None, gt=0, examples=[800.0])
    max_error_rate: float | None = Field(default=None, ge=0, le=1, examples=[0.01])


class Connection(Table):
    connections: int = Field(default=64, ge=1, le=65_536, examples=[64])
    timeout_seconds: float = Field(default=10.0, gt=0, le=3600, examples=[10.0])


class Chaos(Table):
    enabled: bool = Field(default=False, examples=[False])

    @model_validator(mode="after")
    def _not_yet(self) -> Self:
        if self.enabled:
            wish = "false, because chaos does not exist yet"
            raise PydanticCustomError("field_value", "does not exist", {"key": "enabled", "wish": wish})
        return self


class Gate(Table):
    policy: Literal["standard", "quick"] | None = Field(default=None, examples=["standard"])
    margin: float | None = Field(default=None, gt=0, lt=1, examples=[0.05])
    floor_ms: float | None = Field(default=None, ge=0, le=60_000, examples=[0.5])
    looks: list[Annotated[int, Field(ge=2, le=1000)]] | None = Field(
        default=None, min_length=1, max_length=20, examples=[[12, 16, 20, 24, 30]]
    )
    slice_ms: float | None = Field(default=None, ge=10, le=60_000, examples=[250])
    measured_seconds: float | None = Field(default=None, gt=0, le=3600, examples=[9.0])
    warmup_seconds: float | None = Field(default=None, ge=0, le=3600, examples=[1.0])
    inconclusive: Literal["warn", "block"] | None = Field(default=None, examples=["warn"])
    trim: float | None = Field(default=None, ge=0, lt=0.5, examples=[0.10])
    max_lag_p99_ms: float | None = Field(default=None, gt=0, le=1000, examples=[1.0])

    @model_validator(mode="after")
    def _looks_ascend(self) -> Self:
        if self.looks and any(after <= before for before, after in pairwise(self.looks)):
            wish = "numbers of pairs in ascending order"
            raise PydanticCustomError("field_value", "does not ascend", {"key": "looks", "wish": wish})
        return self


class ScenarioFile(Table):
    """The whole file."""

    name: Annotated[str, Field(max_length=200, examples=["My scenario"]), AfterValidator(_not_blank)]
    description: str = Field(default="", max_length=10_000, examples=["What it is for"])
    seed: int = Field(default=1, ge=0, le=2**63 - 1, examples=[1])
    duration: Duration
    arrival: Annotated[
        Annotated[Constant | Poisson | PeriodicBurst, Field(discriminator="pattern")], BeforeValidator(_rate_for_lambda)
    ]
    operations: Operations
    data: Data
    validation: Validation = Validation()
    connection: Connection = Connection()
    chaos: Chaos = Chaos()
    gate: Gate = Gate()
