"""What all tables of a scenario file have in common: they know their keys, numbers are strict, refusals are one line.

Every number is strict (no bool, no text, no infinity); examples are what a message tells the user to write.
"""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

MAX_RATE = 1_000_000.0
MAX_SECONDS = 31_536_000.0  # a year
MAX_LEVELS = 10_000

Rate = Annotated[float, Field(gt=0, le=MAX_RATE, examples=[1000.0])]
Ops = Annotated[float, Field(ge=0, le=MAX_RATE, examples=[1000.0])]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS, examples=[30.0])]
Hour = Annotated[float, Field(ge=0, lt=24, examples=[14.0])]
Compression = Annotated[float, Field(gt=0, le=86_400, examples=[24.0])]


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


def not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("form", "blank", {"wish": "more than blanks"})
    return value


def refuse(key: str, wish: str) -> NoReturn:
    """`key` is right by itself, but does not go with the rest of its table."""
    raise PydanticCustomError("field_value", "does not fit", {"key": key, "wish": wish})


def renamed(value: Any, names: dict[str, str]) -> Any:
    """A table with the names of other load testers put into ours, unless ours is there too."""
    if not isinstance(value, dict):
        return value
    return {(names[key] if key in names and names[key] not in value else key): item for key, item in value.items()}
