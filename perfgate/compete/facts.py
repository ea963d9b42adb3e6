"""What a competition's report says beside its figures: everything that is needed to do it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reference:
    """A figure that somebody else published: shown apart, never compared with and never gated on."""

    store: str
    what: str
    value: str
    source: str
    accessed: str
    setting: str


@dataclass(frozen=True, slots=True)
class Facts:
    """scenario: its canonical JSON. host: what identifies the machine. command: what to type to do it again."""

    name: str
    scenario: str
    scenario_digest: str
    seed: int
    perfgate: str
    controller: str
    host: Mapping[str, str]
    command: str
    references: tuple[Reference, ...] = ()
    environment: Mapping[str, Any] | None = None
