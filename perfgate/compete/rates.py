"""The scenario of a throughput search: the same requests, at every rate that may be tried, one after the other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from perfgate.capacity_search import Ladder
from perfgate.scenario import scenario_from_json
from perfgate.scenario.model import Scenario
from perfgate.units import NS_PER_S

REACH = 16.0
"""How far from the scenario's rate a search may go, up and down."""
MOST_RATE = 1_000_000.0
MOST_TRIALS = 14
RUNG_S = 60


@dataclass(frozen=True, slots=True)
class RateSearch:
    """scenario: its plan has a stretch of RUNG_S for each rung of the ladder, the lowest first."""

    ladder: Ladder
    scenario: Scenario

    def window_ns(self, rung: int, number: int, length_ns: int) -> int:
        """Where in the plan trial `number` of a rung begins: each has requests of its own."""
        room = max(1, RUNG_S * NS_PER_S - length_ns)
        return (rung - self.ladder.bottom) * RUNG_S * NS_PER_S + number * length_ns % room


def rate_search(scenario: Scenario, rate: float, precision: float) -> RateSearch:
    """Around the scenario's own mean rate, requests/s. One trial a rung settles it: rounds repeat the whole search."""
    ladder = Ladder(
        start=rate,
        precision=precision,
        lowest=rate / REACH,
        highest=min(rate * REACH, MOST_RATE),
        confirm=1,
        most=MOST_TRIALS,
    )
    document: dict[str, Any] = json.loads(scenario.source)
    rungs = range(ladder.bottom, ladder.top + 1)
    steps = [{"ops": ladder.rate(rung), "duration_sec": RUNG_S} for rung in rungs]
    document["arrival"] = {"pattern": "step", "steps": steps}
    document["duration"] = {"total_seconds": RUNG_S * len(steps)}
    document.pop("correlation", None)
    return RateSearch(ladder, scenario_from_json(json.dumps(document)))
