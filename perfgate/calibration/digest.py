"""Which scenario a profile belongs to."""

from __future__ import annotations

import hashlib
import json

from perfgate.scenario.model import Scenario

WITHOUT_NOISE = ("name", "description", "validation", "gate", "seed")
"""What may change without a new calibration: words, limits, the rule (its slices are compared by themselves), the draw."""
STEADY = ("constant", "poisson")
"""Arrivals whose rate does not change with time: how long the plan is does not matter then."""


def noise_digest(scenario: Scenario) -> str:
    """12 hex digits that name what matters for noise: rate and arrivals, mix, data, connections."""
    content = json.loads(scenario.source)
    left_out = {*WITHOUT_NOISE, *(("duration",) if scenario.arrival.pattern in STEADY else ())}
    kept = {name: value for name, value in content.items() if name not in left_out}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]
