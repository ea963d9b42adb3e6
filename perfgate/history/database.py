"""Opening a history: connection settings, the version of its tables, and foreign errors in plain words."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from perfgate import __version__
from perfgate.errors import HistoryError
from perfgate.history import schema
from perfgate.history.location import Location
from perfgate.history.revisions import HEAD, REVISIONS, VERSION_TABLE
from perfgate.history.troubles import in_words

BUSY_S = 30
"""How long a writer waits for another one. A run is written in milliseconds, so this is many of them in a row."""
CONNECT_S = 10
WRITES = "perfgate_writes"


@contextlib.contextmanager
def opened(location: Location) -> Iterator[Engine]:
    """A history whose tables are those of this perfgate. Raises HistoryError, also for what fails inside the block.

    SQLite: made where there is none, and brought up to date: it belongs to this directory alone. PostgreSQL: never
    changed by opening it: others with older versions share it, and who writes runs need not own the tables.
    """
    with connected(location) as engine:
        with engine.connect() as connection:
            found = revision(connection, location)
        if found != HEAD:
            if location.file is None:
                what = "is older than this perfgate" if found else "has no tables of perfgate yet"
                raise HistoryError(f"{location}: {what}; run perfgate history upgrade{location.option} once")
            from perfgate.history.upgrade import upgrade  # alembic: half a second, only when it is needed

            upgrade(engine, location)
        yield engine


@contextlib.contextmanager
def connected(location: Location) -> Iterator[Engine]:
    """An engine for any version of the tables. Raises HistoryError, also for what fails inside the block."""
    try:
        engine = _sqlite(location) if location.file is not None else _postgres(location)
        try:
            yield engine
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        raise HistoryError(f"{location}: {in_words(error, location)}") from error
    except OSError as error:  # the directory of a file
        raise HistoryError(f"{location}: {error.strerror}; give a place that can be written with --history") from error


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction: all of it is there afterwards, or nothing."""
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        yield connection


def revision(connection: Connection, location: Location) -> str | None:
    """Of the tables; None where there are none. Raises HistoryError for a newer one and for another program's file."""
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE not in tables:
        if location.file is not None and tables:
            raise HistoryError(f"{location}: is a database of another program; give another file with --history")
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()
    if found is None or found in REVISIONS:
        return found
    newer = connection.execute(select(schema.migration).order_by(schema.migration.c.wall_ns.desc())).first()
    writer = f"perfgate {newer.perfgate}" if newer else "a newer perfgate"
    raise HistoryError(
        f"{location}: its tables have version {found}, made by {writer}; this perfgate ({__version__}) knows versions up to "
        f"{HEAD}: use {writer} or a newer one, or another history with --history"
    )


def _sqlite(location: Location) -> Engine:
    assert location.file is not None
    location.file.absolute().parent.mkdir(parents=True, exist_ok=True)
    url = make_url("sqlite://").set(database=str(location.file.absolute()))  # whatever characters the path has
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_S})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    """synchronous FULL: in WAL mode NORMAL may lose the last runs when the power fails. A run is minutes of measuring and
    one commit, so the file is synced once more for each and nobody notices."""
    connection.isolation_level = None  # transactions begin where we say so, see _begin_sqlite
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    _set_wal(connection)


def _set_wal(connection: Any) -> None:
    """Readers do not wait for writers. It is kept in the file, so only the first one sets it; SQLite does not wait for
    others there, so this does. Where the file system cannot do it (some of networks) the old journal remains: safe too."""
    from sqlite3 import OperationalError

    deadline = time.monotonic() + BUSY_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except OperationalError as error:
            if "locked" not in str(error):
                return  # cannot be written: whoever only reads may go on
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the lock at once: one that reads first and writes then may find that it has read what is no more
    (SQLITE_BUSY without waiting)."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES) else "BEGIN")


def _postgres(location: Location) -> Engine:
    try:
        url = make_url(location.url)
        if "connect_timeout" not in url.query:
            url = url.update_query_dict({"connect_timeout": str(CONNECT_S)})
        return create_engine(url, poolclass=NullPool)
    except (SQLAlchemyError, ValueError) as error:
        raise HistoryError(f"{location}: is no address of a database; give postgresql://USER@HOST/DATABASE") from error
