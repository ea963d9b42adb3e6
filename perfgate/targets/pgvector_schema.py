"""The form of a target file whose adapter is `pgvector`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from perfgate.scenario.tables import Table
from perfgate.targets.schema import TargetFile, header_text


class PgvectorOptions(Table):
    """ef: hnsw.ef_search, which must be k at least. m, ef_construction: of the index; the defaults are pgvector's own."""

    k: int = Field(default=10, ge=1, le=1000, examples=[10])
    ef: int = Field(default=100, ge=1, le=1000, examples=[100])
    m: int = Field(default=16, ge=2, le=100, examples=[16])
    ef_construction: int = Field(default=64, ge=4, le=1000, examples=[64])
    sequential_scans: bool = False
    build_memory: str = Field(default="256MB", pattern=r"^[0-9]+(kB|MB|GB)$", examples=["256MB"])
    user: Annotated[str, AfterValidator(header_text)] = Field(default="postgres", examples=["postgres"])
    database: Annotated[str, AfterValidator(header_text)] = Field(default="postgres", examples=["postgres"])
    space: Annotated[str, AfterValidator(header_text)] = Field(default="memories", examples=["memories"])


class PgvectorFile(TargetFile):
    options: PgvectorOptions = PgvectorOptions()
