"""Competitions as a history keeps them: each session whole, and its ratios where the next ones look for them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from perfgate.compete.result_json import checked
from perfgate.compete.series import Past
from perfgate.history import schema
from perfgate.history.entry import pack, unpack
from perfgate.history.identity import digest
from perfgate.history.rows import Row, text

NOT_COUNTED = ("INVALID", "BLOCK")
"""What a session may have ended as that does not stand for how things were: the first says nothing, the second is the very
loss that later sessions must still be held against."""


@dataclass(frozen=True, slots=True)
class CompetitionEntry:
    """result: what result.json holds."""

    result: Mapping[str, Any]
    directory: str
    recorded_wall_ns: int

    @classmethod
    def of_result(cls, result: Any, directory: str, origin: str) -> CompetitionEntry:
        """Raises InputError naming `origin` for what is no competition of this perfgate."""
        return cls(checked(result, origin), directory, time.time_ns())

    @property
    def id(self) -> str:
        """Of what one measurement alone has (when, how long, which stores, whose controller): recorded twice, it is one
        entry."""
        names = ("started_wall_ns", "duration_ns", "stores")
        return digest([self.result[name] for name in names] + [self.result["facts"]["controller"]])

    def row(self) -> Row:
        result, facts = self.result, self.result["facts"]
        return {
            "id": self.id, "scenario": text(facts["name"]), "scenario_digest": facts["scenario_digest"],
            "ours": text(result["stores"][0]["label"]), "ours_version": text(result["stores"][0]["version"]),
            "started_wall_ns": int(result["started_wall_ns"]), "duration_ns": int(result["duration_ns"]),
            "verdict": text(result["verdict"]["word"]), "exit_code": int(result["verdict"]["exit_code"]),
            "rounds": int(result["rounds"]), "perfgate": text(facts["perfgate"]), "controller": text(facts["controller"]),
            "host": dict(facts["host"]), "directory": text(self.directory), "command": text(facts["command"]),
            "recorded_wall_ns": self.recorded_wall_ns, "body": pack(result),
        }  # fmt: skip

    def ratios(self) -> list[Row]:
        """Of those that are known."""
        lines = [(place, one) for place, one in enumerate(self.result["standings"])]
        return [
            _ratio(self.id, place, one)
            for place, one in lines
            if None not in (one["today"]["mean"], one["today"]["se"])
        ]


def add_competition(connection: Connection, entry: CompetitionEntry) -> bool:
    """False where it is there already."""
    table = schema.competition
    if connection.execute(select(table.c.id).where(table.c.id == entry.id)).first() is not None:
        return False
    connection.execute(insert(table), [entry.row()])
    if ratios := entry.ratios():
        connection.execute(insert(schema.competition_ratio), ratios)
    return True


def read_past(connection: Connection) -> list[Past]:
    """All ratios of all sessions, the oldest first."""
    session, ratio = schema.competition, schema.competition_ratio
    rows = connection.execute(
        select(
            session.c.id, session.c.started_wall_ns, session.c.verdict, session.c.ours_version, ratio.c.series,
            ratio.c.competitor, ratio.c.version, ratio.c.metric, ratio.c.mean, ratio.c.se,
        )
        .join(ratio, ratio.c.competition_id == session.c.id)
        .order_by(session.c.started_wall_ns, session.c.id, ratio.c.place)
    )  # fmt: skip
    return [
        Past(
            str(row.id), int(row.started_wall_ns), str(row.series), str(row.competitor), str(row.version),
            str(row.ours_version), str(row.metric), float(row.mean), float(row.se), row.verdict not in NOT_COUNTED,
        )
        for row in rows
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tracked:
    """A stored ratio with all that a table of them shows. command: what measured it."""

    session: str
    wall_ns: int
    scenario: str
    ours: str
    ours_version: str
    verdict: str
    command: str
    host: Mapping[str, str]
    series: str
    competitor: str
    version: str
    metric: str
    judged: bool
    mean: float
    se: float
    rounds: int


def read_tracked(connection: Connection) -> list[Tracked]:
    """All ratios of all sessions, the oldest first."""
    session, ratio = schema.competition, schema.competition_ratio
    rows = connection.execute(
        select(
            session.c.id, session.c.started_wall_ns, session.c.scenario, session.c.ours, session.c.ours_version,
            session.c.verdict, session.c.command, session.c.host, ratio.c.series, ratio.c.competitor, ratio.c.version,
            ratio.c.metric, ratio.c.judged, ratio.c.mean, ratio.c.se, ratio.c.rounds,
        )
        .join(ratio, ratio.c.competition_id == session.c.id)
        .order_by(session.c.started_wall_ns, session.c.id, ratio.c.place)
    )  # fmt: skip
    return [Tracked(**dict(zip(Tracked.__slots__, row, strict=True))) for row in rows]


def read_competitions(connection: Connection) -> list[CompetitionEntry]:
    """Whole, the oldest first."""
    table = schema.competition
    rows = connection.execute(select(table).order_by(table.c.started_wall_ns, table.c.id))
    return [CompetitionEntry(unpack(row.body), str(row.directory), int(row.recorded_wall_ns)) for row in rows]


def read_directory(result: Any, directory: Path) -> CompetitionEntry:
    """Of a session's own directory. Raises InputError."""
    return CompetitionEntry.of_result(result, str(directory.absolute()), str(directory))


def _ratio(session: str, place: int, one: Mapping[str, Any]) -> Row:
    today, loss = one["today"], one["loss"] or {}
    return {
        "competition_id": session, "place": place, "series": str(one["series"]), "competitor": text(one["competitor"]),
        "version": text(one["version"]), "metric": text(one["metric"]), "judged": bool(one["judged"]),
        "mean": float(today["mean"]), "se": float(today["se"]), "lower": today["lower"], "upper": today["upper"],
        "rounds": int(today["rounds"]), "ours": today["ours"], "theirs": today["theirs"],
        "loss": loss.get("mean"), "loss_lower": loss.get("lower"), "loss_upper": loss.get("upper"),
        "finding": loss.get("word"),
    }  # fmt: skip
