"""Scenarios made of others: what a verb changes in one, checked as if it had been written so."""

from __future__ import annotations

import json
from typing import Any

from perfgate.scenario.load import scenario_from_json
from perfgate.scenario.model import Scenario


def with_neighbour_sent(scenario: Scenario) -> Scenario:
    """The same with what the noisy neighbour sends, for the second arm alone; without a limit of the throughput, which is
    one of all spaces. Raises InputError."""
    document = json.loads(scenario.source)
    document["noisy_neighbour"]["sent"] = True
    document.get("validation", {}).pop("expected_throughput_ops_sec", None)
    return _again(document)


def shortened(scenario: Scenario, seconds: float) -> Scenario:
    """The same for so long. Raises InputError."""
    document = json.loads(scenario.source)
    document["duration"]["total_seconds"] = seconds
    return _again(document)


def smaller(scenario: Scenario, num_nodes: int) -> Scenario:
    """The same with fewer memories. Raises InputError."""
    document = json.loads(scenario.source)
    document["data"]["num_nodes"] = min(num_nodes, document["data"]["num_nodes"])
    return _again(document)


def _again(document: dict[str, Any]) -> Scenario:
    return scenario_from_json(json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
