"""What long work tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from perfgate.gate.comparison import Comparison


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """name: `data`, `load default`, `measure`, …"""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PhaseProgress:
    """fraction: 0 to 1 of the named step."""

    name: str
    fraction: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PairDone:
    """p99s of the pair in ns by operation name. number counts from 1; the gate may stop before `at_most`."""

    number: int
    at_most: int
    base_p99_ns: Mapping[str, float] = field(default_factory=dict)
    candidate_p99_ns: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LookTaken:
    """The rule was asked."""

    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Tick:
    """The newest second of the load: replies a second, p99 in ns by operation name; times of the running load in ns."""

    rate: float
    p99_ns: Mapping[str, float]
    elapsed_ns: int
    left_ns: int


@dataclass(frozen=True, slots=True)
class Note:
    """A line worth keeping."""

    text: str


Event = PhaseStarted | PhaseProgress | PairDone | LookTaken | Tick | Note


class Progress(Protocol):
    """Takes events as they come; must not block."""

    def handle(self, event: Event) -> None: ...


class NoProgress:
    """For tests, and for callers who do not care."""

    def handle(self, event: Event) -> None:
        return
