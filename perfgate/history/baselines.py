"""Which commits are baselines, and the log of what was done with them. Rows are added and never changed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

from perfgate.errors import HistoryError, InputError
from perfgate.history import schema
from perfgate.history.rows import text

BASELINE, GOLDEN = "baseline", "golden"
"""Roles: what gates compare with, and the anchor that creep is measured from."""


@dataclass(frozen=True, slots=True)
class Series:
    """What has a baseline of its own: scenario and target, by their names. No host: a baseline is a build, and is measured
    again beside the candidate wherever that is."""

    scenario: str
    target: str

    def __str__(self) -> str:
        return f"{self.scenario} on {self.target}"


@dataclass(frozen=True, slots=True)
class Baseline:
    """role: BASELINE or GOLDEN. number: the how manieth of its series and role, from 1. kind: rolling, pinned or golden.
    run_id, anchor_run_id: the gates that made it so; None where none did."""

    scenario: str
    target: str
    role: str
    number: int
    kind: str
    commit_sha: str
    subject: str
    since_wall_ns: int
    why: str
    who: str
    run_id: str | None = None
    anchor_run_id: str | None = None

    @property
    def series(self) -> Series:
        return Series(self.scenario, self.target)

    def __str__(self) -> str:
        return f"{self.commit_sha[:12]} ({self.subject})"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the log. action: set, moved, kept, pinned or released. commit_sha: what it is about."""

    scenario: str
    target: str
    number: int
    wall_ns: int
    action: str
    commit_sha: str
    text: str
    who: str
    run_id: str | None = None
    anchor_run_id: str | None = None

    def says_the_same(self, other: Step) -> bool:
        """Nothing has happened between the two."""
        return all(
            getattr(self, name) == getattr(other, name)
            for name in ("action", "commit_sha", "text", "run_id", "anchor_run_id")
        )


def read_baselines(connection: Connection) -> list[Baseline]:
    """All that ever were, the oldest first."""
    table = schema.baseline
    order = (table.c.scenario, table.c.target, table.c.number, table.c.role)
    return [Baseline(**row) for row in connection.execute(select(table).order_by(*order)).mappings()]


def read_steps(connection: Connection) -> list[Step]:
    """The whole log, each series from its beginning."""
    table = schema.baseline_step
    order = (table.c.scenario, table.c.target, table.c.number)
    return [Step(**row) for row in connection.execute(select(table).order_by(*order)).mappings()]


def add_baseline(connection: Connection, new: Baseline) -> None:
    """Raises HistoryError where its number is taken: somebody else was quicker, and what this one was made from is old."""
    _add(connection, schema.baseline, new)


def add_step(connection: Connection, new: Step) -> bool:
    """A line of the log, with the next number whatever it has; False where the last one says the same already."""
    of_series = (schema.baseline_step.c.scenario == new.scenario, schema.baseline_step.c.target == new.target)
    highest: Select[Any] = select(func.max(schema.baseline_step.c.number)).where(*of_series)
    number = connection.execute(highest).scalar() or 0
    last = connection.execute(
        select(schema.baseline_step).where(*of_series, schema.baseline_step.c.number == number)
    ).mappings()
    if any(Step(**row).says_the_same(new) for row in last):
        return False
    _add(connection, schema.baseline_step, dataclasses.replace(new, number=number + 1))
    return True


def put_back(connection: Connection, row: Baseline | Step) -> bool:
    """As another history had it; False where it is there already. Raises InputError where another one is in its place."""
    table = schema.baseline if isinstance(row, Baseline) else schema.baseline_step
    there = (column == getattr(row, column.name) for column in table.primary_key.columns)
    found = connection.execute(select(table).where(*there)).mappings().first()
    if found is None:
        _add(connection, table, row)
        return True
    if dict(found) != _values(row):
        raise InputError(
            f"number {row.number} of the baselines of {row.scenario} on {row.target} is another one here: each history went "
            "on by itself; keep one of them"
        )
    return False


def _values(row: Baseline | Step) -> dict[str, Any]:
    return {name: text(value) if isinstance(value, str) else value for name, value in dataclasses.asdict(row).items()}


def _add(connection: Connection, table: Table, row: Baseline | Step) -> None:
    values = _values(row)
    try:
        connection.execute(insert(table).values(values))
    except IntegrityError as error:
        if "foreign" in str(error.orig).lower():
            raise HistoryError(
                f"run {row.run_id or row.anchor_run_id} is not in the history any more; try again"
            ) from error
        raise HistoryError(
            f"the baselines of {row.scenario} on {row.target} have just been changed by somebody else; see perfgate "
            "baseline log, and try again"
        ) from error
