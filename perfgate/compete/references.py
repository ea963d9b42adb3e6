"""Published figures of others, from a TOML file. Each must say where it was read; none is ever part of a verdict."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from perfgate.compete.facts import Reference
from perfgate.errors import InputError
from perfgate.scenario.load import parse_toml, read_text
from perfgate.scenario.messages import explain
from perfgate.scenario.tables import Table


class ReferenceTable(Table):
    """value: as it was published, with its unit. accessed: the day, YYYY-MM-DD."""

    store: str = Field(min_length=1, max_length=200, examples=["Qdrant 1.12"])
    what: str = Field(min_length=1, max_length=200, examples=["embedding search p95 at recall 0.99"])
    value: str = Field(min_length=1, max_length=100, examples=["3.5 ms"])
    source: str = Field(min_length=1, max_length=500, examples=["https://example.org/benchmarks"])
    accessed: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", examples=["2026-11-26"])
    setting: str = Field(default="", max_length=500, examples=["1 M vectors of 1536 dimensions, 8 cores"])


class ReferenceFile(Table):
    reference: list[ReferenceTable] = Field(min_length=1, examples=[[{"store": "Qdrant 1.12"}]])


def read_references(path: Path) -> tuple[Reference, ...]:
    """Raises InputError naming file, line, field and remedy."""
    text = read_text(path)
    document = parse_toml(text, str(path))
    try:
        checked = ReferenceFile.model_validate(document)
    except ValidationError as error:
        raise InputError(explain(error.errors(), ReferenceFile, document, str(path), text)) from None
    return tuple(Reference(**one.model_dump()) for one in checked.reference)
