"""docs/scenarios.md names every field and shows examples that work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import tomli

from perfgate.plan import Plan
from perfgate.scenario import parse_scenario
from perfgate.scenario.schema import ScenarioFile

PAGE = (Path(__file__).parent.parent / "docs" / "scenarios.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
BASE: dict[str, Any] = {
    "name": "base",
    "duration": {"total_seconds": 10},
    "arrival": {"pattern": "constant", "rate": 50},
    "operations": {"store_weight": 1, "recall_weight": 1},
    "data": {"num_nodes": 1_000, "embedding_dim": 8},
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_is_a_scenario_that_can_be_planned(example: str, tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text("time_s,operation,key\n0,store,\n0.5,recall,7\n")
    document = {**BASE, **tomli.loads(example)}
    if document["arrival"]["pattern"] == "replay":
        del document["operations"]
    plan = Plan(parse_scenario(document, directory=tmp_path))
    assert plan.mean_rate > 0


def fields(annotation: Any) -> set[str]:
    """Names of all fields of a model and of the models inside it."""
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        inner = (fields(field.annotation) for field in annotation.model_fields.values())
        return set(annotation.model_fields).union(*inner)
    return set().union(*(fields(part) for part in get_args(annotation)))


def test_every_field_is_named_in_code_letters() -> None:
    named = {word for code in re.findall(r"`([^`\n]+)`", PAGE) for word in re.findall(r"[a-z][a-z0-9_]*", code)}
    assert fields(ScenarioFile) - named == set()
