"""A scenario whose plan holds every trial of a search for a rate: one data set and one plan for all of them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from perfgate.capacity_search import LONGEST, Ladder
from perfgate.errors import InputError
from perfgate.scenario.load import scenario_from_json
from perfgate.scenario.model import Scenario
from perfgate.scenario.tables import MAX_LEVELS
from perfgate.units import NS_PER_S, seconds_to_ns

MARGIN = 2
"""Trials of a rung beyond those that a search may ask for, where some do not count."""


@dataclass(frozen=True, slots=True)
class LadderPlan:
    """scenario: rung after rung, each long enough for all of its trials. warmup_ns: before a trial, from its own window."""

    scenario: Scenario
    ladder: Ladder
    warmup_ns: int
    trial_ns: int

    @property
    def trials_a_rung(self) -> int:
        return _trials(self.ladder)

    def start_ns(self, rung: int, number: int) -> int:
        """Of the plan, where trial `number` of a rung begins with its warm-up. No two trials have a window in common, so
        that nothing is stored twice. Raises ValueError for a trial that the plan does not hold."""
        if not self.ladder.bottom <= rung <= self.ladder.top or not 0 <= number < self.trials_a_rung:
            raise ValueError(f"there is no trial {number} of rung {rung}")
        place = (rung - self.ladder.bottom) * self.trials_a_rung + number
        return place * (self.warmup_ns + self.trial_ns)


def ladder_plan(scenario: Scenario, ladder: Ladder, warmup_s: float, trial_s: float) -> LadderPlan:
    """The scenario with its rate replaced by the ladder's. Raises InputError for a pattern that has no single rate, and for
    a ladder of too many rungs."""
    if scenario.arrival.pattern not in ("constant", "poisson", "exponential"):
        raise InputError(
            f'arrival.pattern = "{scenario.arrival.pattern}" has no single rate to look for: write "constant" or "poisson"'
        )
    rungs = range(ladder.bottom, ladder.top + 1)
    if len(rungs) > MAX_LEVELS:
        raise InputError(
            f"{len(rungs):,} rates from {ladder.lowest:g} to {ladder.highest:g} requests/s are too many: write a coarser "
            "precision or a narrower range"
        )
    slot_s = _whole(warmup_s + trial_s)
    seconds = slot_s * _trials(ladder)
    document = json.loads(scenario.source)
    document["arrival"] = {
        "pattern": "step",
        "spacing": scenario.arrival.spacing,
        "steps": [{"ops": ladder.rate(rung), "duration_sec": seconds} for rung in rungs],
    }
    document["duration"]["total_seconds"] = seconds * len(rungs)
    source = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    warmup_ns = seconds_to_ns(warmup_s)
    return LadderPlan(scenario_from_json(source), ladder, warmup_ns, round(slot_s * NS_PER_S) - warmup_ns)


def _trials(ladder: Ladder) -> int:
    return LONGEST * ladder.confirm + MARGIN


def _whole(seconds: float) -> float:
    """Whole seconds, as the plan is made by."""
    return float(math.ceil(round(seconds, 9)))
