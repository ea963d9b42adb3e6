"""docs/targets.md names every key that a target file can have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from perfgate.targets.load import FORMS

TEXT = (Path(__file__).parent.parent / "docs" / "targets.md").read_text(encoding="utf-8")


def keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        for inner in models(field.annotation):
            yield from keys(inner)


def models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


@pytest.mark.parametrize("key", sorted({key for form in FORMS.values() for key in keys(form)}))
def test_every_key_of_a_target_file_is_explained(key: str) -> None:
    tables = (f"`{key}`", f"[{key}]", f"[{key}.", f".{key}]")
    assert any(word in TEXT for word in tables), f"{key} is not in docs/targets.md"


def test_every_switch_of_the_traps_exists() -> None:
    from perfgate.store.options import _SWITCHES

    known = {switch for switch, _, _ in _SWITCHES} | {"--lose-index"}
    played = set(re.findall(r"^\| [^|]*\| `(--[a-z-]+)", TEXT, re.M))
    assert len(played) == 6
    assert played <= known
