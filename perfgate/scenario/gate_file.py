"""A file that holds what `[gate]` of a scenario holds, and nothing else: a policy to be shared by scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perfgate.errors import InputError


def load_gate(path: Path) -> Mapping[str, Any]:
    """The settings, as Scenario.gate has them; of a whole scenario, its `[gate]`. They may stand in a table [gate] or by
    themselves. Raises InputError naming file, line, field, value and what to write instead."""
    from pydantic import ValidationError

    from perfgate.scenario.load import parse_scenario, parse_toml, read_text
    from perfgate.scenario.messages import explain
    from perfgate.scenario.schema import Gate

    text = read_text(path)
    document = parse_toml(text, str(path))
    if "arrival" in document:
        return parse_scenario(text, origin=str(path), directory=path.parent).gate
    inner = document["gate"] if set(document) == {"gate"} else document
    try:
        checked = Gate.model_validate(inner)
    except ValidationError as error:
        raise InputError(
            explain(error.errors(), Gate, inner if isinstance(inner, dict) else {}, str(path), text)
        ) from None
    settings = checked.model_dump(exclude_none=True)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
