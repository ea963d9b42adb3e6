"""What gates of commits estimated, metric by metric: what a trend is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select

from perfgate.gate.verdict import Word
from perfgate.history.choice import Choice
from perfgate.history.schema import build, effect, run


@dataclass(frozen=True, slots=True)
class GateEstimate:
    """candidate against base, ids of commits. estimate: a log ratio, positive is worse; se over pairs with df."""

    run_id: str
    started_wall_ns: int
    scenario: str
    target: str
    base: str
    candidate: str
    metric: str
    statistic: str
    primary: bool
    estimate: float
    se: float
    df: int


def gate_estimates(connection: Connection, choice: Choice) -> list[GateEstimate]:
    """Of all gates of two committed builds that can be used, the oldest first. A verdict of INVALID says that they cannot."""
    base, candidate = build.alias(), build.alias()
    wanted = [
        run.c.kind == "gate", run.c.verdict != Word.INVALID.value, effect.c.estimate.is_not(None), effect.c.se > 0,
        base.c.commit_sha != candidate.c.commit_sha, base.c.dirty.is_not(True), candidate.c.dirty.is_not(True),
    ]  # fmt: skip
    statement = (
        select(
            run.c.id, run.c.started_wall_ns, run.c.scenario, run.c.target, base.c.commit_sha, candidate.c.commit_sha,
            effect.c.metric, effect.c.statistic, effect.c.is_primary, effect.c.estimate, effect.c.se, effect.c.df,
        )
        .select_from(
            run.join(base, and_(base.c.run_id == run.c.id, base.c.arm == "base"))
            .join(candidate, and_(candidate.c.run_id == run.c.id, candidate.c.arm == "candidate"))
            .join(effect, effect.c.run_id == run.c.id)
        )
        .where(*choice.conditions(), *wanted)
        .order_by(run.c.started_wall_ns, run.c.id, effect.c.place)
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = [tuple(row) for row in connection.execute(statement)]
    return [GateEstimate(*row) for row in rows]
