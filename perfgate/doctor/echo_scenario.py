"""The scenario that is sent to the echo: the asked one's requests and rate, with hardly any data."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from perfgate.arrivals.registry import make_arrivals
from perfgate.operation import Operation
from perfgate.scenario import parse_scenario
from perfgate.scenario.model import Scenario
from perfgate.targets.load import target_from_json
from perfgate.targets.model import Target
from perfgate.units import NS_PER_S

DEFAULT_RATE = 1_000.0
NODES = 200
SMALL_DIM = 3
POOL_VECTORS = 200
"""Different vectors that are stored: the data are made anew each time, so they are few."""
MOST_SECONDS_SEARCHED = 86_400
SPOKEN = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)


def echo_target() -> Target:
    """The echo answers as Engram does, whatever it is asked."""
    return target_from_json(json.dumps({"name": "echo", "adapter": "engram"}))


def echo_scenario(asked: Scenario | None, rate: float | None) -> Scenario:
    """asked: whose mix of operations, vectors, connections and arrivals are sent; without one, small GETs alone. rate: a
    second; without it the asked scenario's, for a pattern whose rate changes its highest, or 1,000."""
    document: dict[str, Any] = json.loads(asked.source) if asked else _small()
    highest = rate or (peak_rate(asked) if asked else DEFAULT_RATE)
    random = asked is not None and asked.arrival.spacing == "poisson"
    document["arrival"] = {"pattern": "poisson" if random else "constant", "rate": highest}
    # Arrivals go on after the scenario's end; its length only decides how many vectors there are to store.
    document["duration"] = {"total_seconds": POOL_VECTORS / highest}
    document["data"] = {"num_nodes": NODES, "embedding_dim": document["data"]["embedding_dim"]}
    document["operations"] = _weights(asked) if asked else document["operations"]
    for table in ("validation", "gate", "chaos", "correlation"):
        document.pop(table, None)
    return parse_scenario(document, "doctor")


def peak_rate(scenario: Scenario) -> float:
    """The most arrivals in a second of the scenario (its first day, if it is longer)."""
    if scenario.arrival.pattern in ("constant", "poisson"):
        return float(scenario.arrival.parameters["rate"])
    seconds = min(MOST_SECONDS_SEARCHED, max(1, -(-scenario.duration_ns // NS_PER_S)))
    before = make_arrivals(scenario.arrival, scenario.seed).before(np.arange(seconds + 1))
    return max(1.0, float(np.diff(before).max()))


def _weights(asked: Scenario) -> dict[str, float]:
    """What the echo does not speak counts as a search, which is as large."""
    weights: dict[str, float] = {}
    for operation, weight in asked.weights.items():
        name = f"{(operation if operation in SPOKEN else Operation.EMBEDDING_SEARCH).value}_weight"
        weights[name] = weights.get(name, 0.0) + weight
    return weights


def _small() -> dict[str, Any]:
    return {"name": "echo", "operations": {"recall_weight": 1.0}, "data": {"embedding_dim": SMALL_DIM}}
