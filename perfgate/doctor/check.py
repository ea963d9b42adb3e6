"""One thing about a host that decides how well it measures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How good it is. UNKNOWN: this kernel does not say; it is neither held against the host nor for it."""

    GOOD = "good"
    FAIR = "could be better"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """found: the value, in words of at most some 70 letters. why: why it matters. remedy: what to do, in words; command:
    the exact line to type, where there is one. forbids: the scenario cannot be run here as long as this stands."""

    name: str
    state: State
    found: str
    why: str
    remedy: str = ""
    command: str = ""
    forbids: bool = False
