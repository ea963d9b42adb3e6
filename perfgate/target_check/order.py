"""What a check is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perfgate.address import Address
from perfgate.dataset import Dataset
from perfgate.scenario.model import Scenario
from perfgate.targets.model import Target


@dataclass(frozen=True, slots=True)
class Data:
    """What is loaded; `other` has vectors of another dimension."""

    scenario: Scenario
    dataset: Dataset
    other: Dataset


@dataclass(frozen=True, slots=True)
class Order:
    """What to check. url: a store that runs already and is empty; None: one is started in `directory`."""

    target: Target
    variant: str
    data: Data
    url: Address | None
    timeout_s: float
    directory: Path
