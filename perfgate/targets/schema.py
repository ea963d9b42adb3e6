"""The form of a target file. Checks types, ranges and names; `load` makes a frozen Target of what passes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from perfgate.scenario.schema import Table

Seconds = Annotated[float, Field(gt=0, le=3600, examples=[60])]
Arguments = Annotated[list[str], Field(examples=[["--flag", "value"]])]


class Host(Table):
    command: Annotated[
        list[str], Field(min_length=1, examples=[["{python}", "-m", "perfgate.store", "--port", "{port}"]])
    ]
    environment: dict[str, str] = {}
    start_timeout_seconds: Seconds = 60.0
    stop_signal: Literal["TERM", "INT", "QUIT", "HUP", "KILL"] = "TERM"
    stop_grace_seconds: Seconds = 5.0
    copyable: bool = True
    load_connections: int = Field(default=8, ge=1, le=1024, examples=[8])


class Variant(Table):
    description: str = ""
    arguments: Arguments = []


class TargetFile(Table):
    name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$", examples=["mystore"])
    description: str = ""
    adapter: str = Field(examples=["engram"])
    operations: list[Literal["store", "recall", "embedding_search", "pattern_completion"]] | None = None
    options: dict[str, str | int | float | bool] = {}
    host: Host | None = None
    variants: dict[str, Variant] = {}
