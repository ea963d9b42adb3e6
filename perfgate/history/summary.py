"""One run as a line of the list."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from perfgate.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Summary:
    """base, candidate: the builds' names; *_commit: where they were built of one. metric, estimate, lower, upper: the
    primary quantile over all operations as a log ratio with its interval; None for a run, and where there is none."""

    id: str
    kind: str
    verdict: str
    exit_code: int
    scenario: str
    scenario_digest: str
    target: str
    started_wall_ns: int
    duration_ns: int
    complete: bool
    reasons: tuple[Mapping[str, str], ...]
    policy: str | None
    margin: float | None
    pairs: int
    seed: int
    perfgate: str
    host: str
    directory: str
    command: str
    base: str | None
    base_commit: str | None
    candidate: str | None
    candidate_commit: str | None
    metric: str | None
    estimate: float | None
    lower: float | None
    upper: float | None

    @property
    def started(self) -> datetime:
        """In UTC."""
        return datetime.fromtimestamp(self.started_wall_ns / NS_PER_S, UTC)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; `started` beside started_wall_ns, for people."""
        values = {**dataclasses.asdict(self), "reasons": [dict(reason) for reason in self.reasons]}
        return {"id": self.id, "started": self.started.isoformat(timespec="seconds"), **values}
