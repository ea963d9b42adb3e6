"""Which runs are asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, or_, select

from perfgate.errors import InputError
from perfgate.history.schema import environment, run

_SPANS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


@dataclass(frozen=True, slots=True)
class Choice:
    """Empty: every run. scenario: part of its name, or the beginning of its digest. host: of the controller or an agent.
    since_wall_ns: begun then or later. limit: the newest so many."""

    scenario: str = ""
    target: str = ""
    verdicts: tuple[str, ...] = ()
    kind: str = ""
    host: str = ""
    since_wall_ns: int | None = None
    limit: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a WHERE; the limit is for the one who asks."""
        found: list[ColumnElement[bool]] = []
        if self.scenario:
            named = func.lower(run.c.scenario).contains(self.scenario.lower(), autoescape=True)
            found.append(or_(named, run.c.scenario_digest.startswith(self.scenario, autoescape=True)))
        if self.target:
            found.append(run.c.target == self.target)
        if self.verdicts:
            found.append(run.c.verdict.in_([word.upper().replace("_", " ") for word in self.verdicts]))
        if self.kind:
            found.append(run.c.kind == self.kind)
        if self.host:
            agent = exists(
                select(environment.c.agent).where(environment.c.run_id == run.c.id, environment.c.agent == self.host)
            )
            found.append(or_(run.c.host == self.host, agent))
        if self.since_wall_ns is not None:
            found.append(run.c.started_wall_ns >= self.since_wall_ns)
        return found


def parse_moment(text: str, option: str, now: datetime) -> int:
    """`7d` (30m, 12h, 2w) before now, or a date or time as 2026-11-01 or 2026-11-01T08:00+01:00 (UTC where it does not
    say), in ns since 1970. Raises InputError."""
    remedy = f"{option} {text!r}: give a time ago as 12h, 7d or 4w, or a date as 2026-11-01"
    try:
        if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", text.strip()):
            moment = now - timedelta(seconds=float(match[1]) * _SPANS[match[2]])
        else:
            moment = datetime.fromisoformat(text.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000_000) * 1000
    except (ValueError, OverflowError) as error:
        raise InputError(remedy) from error
