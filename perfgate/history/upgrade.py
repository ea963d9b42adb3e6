"""Brings the tables of a history up to date, in one transaction."""

from __future__ import annotations

import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, insert, select, text

from perfgate import __version__
from perfgate.history.database import revision, writing
from perfgate.history.location import Location
from perfgate.history.revisions import HEAD
from perfgate.history.schema import migration

MIGRATIONS = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = 0x7065_7266_6761_7465  # "perfgate": the key of an advisory lock of PostgreSQL


def upgrade(engine: Engine, location: Location) -> tuple[str | None, str]:
    """(version before, version now). Whoever comes at the same time waits, and finds it done."""
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
        before = revision(connection, location)
        if before != HEAD:
            command.upgrade(alembic_config(connection), HEAD)
            _note(connection)
    return before, HEAD


def alembic_config(connection: Connection) -> Config:
    """For alembic's commands on this connection, with the migrations that are shipped."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _note(connection: Connection) -> None:
    """Which perfgate it was: an older one names it when it refuses the file."""
    if connection.execute(select(migration.c.revision).where(migration.c.revision == HEAD)).first() is None:
        connection.execute(insert(migration).values(revision=HEAD, perfgate=__version__, wall_ns=time.time_ns()))
