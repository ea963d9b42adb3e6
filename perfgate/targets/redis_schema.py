"""The forms of target files whose adapter is `redis` or `falkordb`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from perfgate.scenario.tables import Table
from perfgate.targets.schema import TargetFile, header_text


class RedisOptions(Table):
    """ef: how many candidates a search looks at. m, ef_construction: of the graph; the defaults are Redis' own."""

    k: int = Field(default=10, ge=1, le=1000, examples=[10])
    ef: int = Field(default=100, ge=1, le=1_000_000, examples=[100])
    m: int = Field(default=16, ge=4, le=4096, examples=[16])
    ef_construction: int = Field(default=200, ge=1, le=1_000_000, examples=[200])
    quantization: Literal["NOQUANT", "Q8", "BIN"] = "NOQUANT"
    space: Annotated[str, AfterValidator(header_text)] = Field(default="perfgate", examples=["perfgate"])


class RedisFile(TargetFile):
    options: RedisOptions = RedisOptions()


class FalkorDbOptions(Table):
    """ef: efRuntime of the vector index, fixed when it is made; m, ef_construction: FalkorDB's own defaults."""

    k: int = Field(default=10, ge=1, le=1000, examples=[10])
    ef: int = Field(default=100, ge=1, le=1_000_000, examples=[100])
    m: int = Field(default=16, ge=2, le=4096, examples=[16])
    ef_construction: int = Field(default=200, ge=1, le=1_000_000, examples=[200])
    space: Annotated[str, AfterValidator(header_text)] = Field(default="memories", examples=["memories"])


class FalkorDbFile(TargetFile):
    options: FalkorDbOptions = FalkorDbOptions()
