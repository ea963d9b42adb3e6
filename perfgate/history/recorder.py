"""Records what has just ended. Whatever goes wrong here is a sentence, never an exception: the verdict stands, and the
run's directory holds everything."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfgate.errors import PerfgateError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from perfgate.gate.comparison import Comparison
    from perfgate.history.location import Location
    from perfgate.run import RunRecord


def record_run(location: Location, record: RunRecord, comparison: Comparison | None, directory: Path) -> str:
    """Empty, or what kept it from being recorded and how to add it later."""

    def add(connection: Connection) -> None:
        from perfgate.history.entry import Entry
        from perfgate.history.writer import add_run

        add_run(connection, Entry.of(record, comparison, directory))

    return _record(location, add, directory)


def record_profile(location: Location, profile: Mapping[str, Any], file: Path) -> str:
    """profile: the JSON of a host profile that was written to `file`. Empty, or a sentence as of `record_run`."""

    def add(connection: Connection) -> None:
        from perfgate.history.profile_entry import ProfileEntry
        from perfgate.history.writer import add_profile

        add_profile(connection, ProfileEntry.of_json(profile, str(file)))

    return _record(location, add, file)


def record_competition(location: Location, result: Mapping[str, Any], directory: Path) -> str:
    """result: what result.json of a competition holds. Empty, or a sentence as of `record_run`."""

    def add(connection: Connection) -> None:
        from perfgate.history.competitions import CompetitionEntry, add_competition

        add_competition(connection, CompetitionEntry.of_result(result, str(directory.absolute()), str(directory)))

    return _record(location, add, directory)


def _record(location: Location, add: Callable[[Connection], None], source: Path) -> str:
    try:
        from perfgate.history.database import opened, writing

        with opened(location) as engine, writing(engine) as connection:
            add(connection)
        return ""
    except PerfgateError as error:
        why = str(error)
    except KeyboardInterrupt:
        why = "interrupted"
    except Exception as error:  # a fault of ours must not cost a verdict either
        why = f"{location}: {type(error).__name__}: {error}"
    return (
        f"not recorded in the history: {why}\n"
        f"nothing is lost; to add it later: perfgate history import {shlex.quote(str(source))}{location.option}"
    )
