"""Where a history is kept: a file of SQLite, or a PostgreSQL server. Imports nothing heavy: gates check it first."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import InputError

VARIABLE = "PERFGATE_HISTORY"
DEFAULT = Path(".perfgate") / "history.db"
OFF = "off"
_GIVE = "give a file, postgresql://USER@HOST/DATABASE, or off"
_PASSWORD = re.compile(r"(://[^/@:]*):[^@/]*@|([?&]password=)[^&]*")


@dataclass(frozen=True, slots=True)
class Location:
    """url: as SQLAlchemy wants it. file: of SQLite; None for a server. given: as the user wrote it (option or variable);
    empty for the default. Never print `url` or `given`: they may hold a password; print the location itself."""

    url: str
    file: Path | None
    given: str = ""

    def __str__(self) -> str:
        return str(self.file) if self.file is not None else _shown(self.url.replace("+psycopg", "", 1))

    @property
    def option(self) -> str:
        """` --history …`, to be put behind a command; nothing for the default, and no password."""
        return f" --history {shlex.quote(_shown(self.given))}" if self.given else ""


def find_location(option: str | None) -> Location | None:
    """From --history, else PERFGATE_HISTORY, else `.perfgate/history.db` in the current directory; None for `off`.

    Raises InputError for what names no history, and for PostgreSQL without its driver.
    """
    source = "--history" if option is not None else VARIABLE
    given = (os.environ.get(VARIABLE, "") if option is None else option).strip()
    if given == OFF:
        return None
    if not given:
        if option is not None:
            raise InputError(f"--history: is empty; {_GIVE}")
        return _sqlite(DEFAULT, "", source)
    scheme, separator, rest = given.partition("://")
    if not separator:
        return _sqlite(Path(given), given, source)
    if scheme == "sqlite":
        if len(rest) < 2:
            raise InputError(f"{source} {given}: names no file; {_GIVE}")
        return _sqlite(Path(rest[1:]), given, source)
    if scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise InputError(f"{source} {_shown(given)}: {scheme!r} is no kind of database that is known here; {_GIVE}")
    if importlib.util.find_spec("psycopg") is None:
        raise InputError(f"{source} {_shown(given)}: PostgreSQL needs psycopg; pip install 'perfgate[postgres]'")
    return Location(f"postgresql+psycopg://{rest}", None, given)


def _sqlite(file: Path, given: str, source: str) -> Location:
    if file.is_dir():
        raise InputError(f"{source} {file}: is a directory; {_GIVE}")
    return Location(f"sqlite:///{file.absolute()}", file, given)


def _shown(url: str) -> str:
    """Without the password."""
    return _PASSWORD.sub(lambda found: f"{found[1]}:***@" if found[1] is not None else f"{found[2]}***", url)
