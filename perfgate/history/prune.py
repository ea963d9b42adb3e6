"""Forgets old runs. What anything else in the database refers to stays, whatever it is."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnClause, Connection, Engine, column, delete, inspect, select, table

from perfgate.history.database import writing
from perfgate.history.schema import run

_CHUNK = 200
"""Ids a statement."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """removed: ids, the oldest first. held: how many would have gone, if nothing referred to them. left: how many are
    still there."""

    removed: tuple[str, ...]
    held: int
    left: int


def prune(engine: Engine, older_than_wall_ns: int | None, keep: int | None, *, only_look: bool = False) -> Pruned:
    """Remove the runs that began before a moment and are not among the newest `keep` of their kind, scenario, target and
    host; None: that does not matter. Their directories are left alone."""
    with writing(engine) as connection:
        runs = connection.execute(
            select(run.c.id, run.c.started_wall_ns, run.c.kind, run.c.scenario, run.c.target, run.c.host).order_by(
                run.c.started_wall_ns.desc(), run.c.id
            )
        ).all()
        held, doomed = held_runs(connection), []
        rank: Counter[tuple[str, ...]] = Counter()
        for one in runs:
            rank[tuple(one[2:])] += 1
            old = older_than_wall_ns is None or one.started_wall_ns < older_than_wall_ns
            if old and (keep is None or rank[tuple(one[2:])] > keep):
                doomed.append(str(one.id))
        removed = [one for one in reversed(doomed) if one not in held]
        for start in range(0, 0 if only_look else len(removed), _CHUNK):
            connection.execute(delete(run).where(run.c.id.in_(removed[start : start + _CHUNK])))
    if removed and not only_look:
        _give_back(engine)
    return Pruned(tuple(removed), len(doomed) - len(removed), len(runs) - len(removed))


def held_runs(connection: Connection) -> frozenset[str]:
    """Runs that a table refers to which is not part of the run itself: whose foreign key does not cascade. Asked of the
    database and not of this perfgate's tables, so that whatever holds on to a run later is respected from the first day."""
    found: set[str] = set()
    inspector = inspect(connection)
    for name in inspector.get_table_names():
        for key in inspector.get_foreign_keys(name):
            cascades = str(key.get("options", {}).get("ondelete", "")).upper() == "CASCADE"
            if key["referred_table"] == run.name and not cascades:
                refers: ColumnClause[Any] = column(key["constrained_columns"][0])
                found.update(str(one) for one in connection.scalars(select(refers).select_from(table(name))) if one)
    return frozenset(found)


def _give_back(engine: Engine) -> None:
    """The room on disk. Not being able to (others read, or the disk is full) is no failure: SQLite uses it again."""
    if engine.dialect.name == "sqlite":
        with contextlib.closing(engine.raw_connection()) as connection, contextlib.suppress(sqlite3.Error):
            connection.execute("VACUUM")
