"""Adds runs and host profiles. Both are there once, however often they are added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, insert
from sqlalchemy.dialects import postgresql, sqlite

from perfgate.history import schema
from perfgate.history.entry import Entry, pack
from perfgate.history.profile_entry import ProfileEntry
from perfgate.history.rows import make_rows, text

_CHILDREN = {
    table.name: table for table in (schema.build, schema.pair, schema.effect, schema.latency, schema.environment)
}


def add_run(connection: Connection, entry: Entry) -> bool:
    """False where it is there already. Raises InputError where the result cannot be read by this perfgate."""
    rows = make_rows(*entry.decoded())
    of_place = {"directory": text(entry.directory), "recorded_wall_ns": entry.recorded_wall_ns}
    if not _add_once(connection, schema.run, {"id": entry.id, **rows.run, **of_place}):
        return False
    for name, children in rows.children.items():
        if children:
            connection.execute(insert(_CHILDREN[name]), [{"run_id": entry.id, **row} for row in children])
    connection.execute(insert(schema.result).values(run_id=entry.id, body=pack(entry.result)))
    return True


def add_profile(connection: Connection, entry: ProfileEntry) -> bool:
    """False where it is there already."""
    return _add_once(connection, schema.host_profile, entry.row())


def _add_once(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """The database decides who is first, so two writers of one run cannot both be."""
    if connection.dialect.name == "postgresql":
        statement = postgresql.insert(table).on_conflict_do_nothing().returning(table.c.id)
    else:
        statement = sqlite.insert(table).on_conflict_do_nothing().returning(table.c.id)
    return connection.execute(statement, [row]).first() is not None
