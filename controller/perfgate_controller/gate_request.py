"""What a gate is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perfgate.gate.policy import Policy
from perfgate.gate.restarts import Restarts
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm
from perfgate.targets.model import Target


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What is compared, by which policy, and where the evidence is kept. time_limit_ns: the hard stop, or None. restarts: what a
    calibration knows of starts, for a policy whose processes serve several pairs."""

    scenario: Scenario
    seed: int
    target: Target
    builds: dict[Arm, str]
    policy: Policy
    directory: Path
    time_limit_ns: int | None = None
    restarts: Restarts | None = None
    variant: str = ""
    """Of the noisy neighbour's gate: the one build that is asked of; `builds` are then names for people."""
    one_process: bool = False
    """Of the noisy neighbour's gate: whether one process serves both arms of a pair."""

    @property
    def neighbour(self) -> bool:
        """Whether the question is what a noisy neighbour does to the other memory spaces."""
        return bool(self.variant)

    def started(self, arm: Arm) -> str:
        """The build whose process serves the arm."""
        return self.variant or self.builds[arm]

    @property
    def variants(self) -> tuple[str, ...]:
        """What is started, each once."""
        return (self.variant,) if self.variant else tuple(dict.fromkeys(self.builds.values()))
