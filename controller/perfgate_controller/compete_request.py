"""What a competition is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perfgate.compete.contender import Contender
from perfgate.compete.policy import CompetePolicy
from perfgate.compete.rates import RateSearch
from perfgate.gate.policy import Policy
from perfgate.scenario.model import Scenario


@dataclass(frozen=True, slots=True)
class CompeteRequest:
    """contenders: ours first. generator: its thresholds decide whether a reading says anything. rates: of the throughput
    search, where one is made. truth_fault: why the exact answers do not fit the data; empty where they do."""

    scenario: Scenario
    seed: int
    contenders: tuple[Contender, ...]
    policy: CompetePolicy
    generator: Policy
    directory: Path
    time_limit_ns: int | None = None
    rates: RateSearch | None = None
    truth_fault: str = ""
