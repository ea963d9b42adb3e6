"""Scenario files: TOML in, frozen dataclasses out. pydantic is imported only when a scenario is actually read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perfgate.scenario.model import Scenario

__all__ = ["Scenario", "load_scenario", "parse_scenario", "scenario_from_json"]


def load_scenario(path: str | Path) -> Scenario:
    """Reads a scenario file. Raises InputError with one message: file, line, field, value and what to write instead."""
    from perfgate.scenario import load

    return load.load_scenario(path)


def parse_scenario(
    content: str | Mapping[str, Any], origin: str = "scenario", directory: str | Path | None = None
) -> Scenario:
    """A scenario from TOML text or from the tables themselves; `origin` names it in messages. Relative paths in it
    are taken from `directory` (default: the working directory). Raises InputError."""
    from perfgate.scenario import load

    return load.parse_scenario(content, origin, directory)


def scenario_from_json(source: str) -> Scenario:
    """The inverse of `Scenario.source`, on whatever machine: files it names need not exist here. Raises InputError."""
    from perfgate.scenario import load

    return load.scenario_from_json(source)
