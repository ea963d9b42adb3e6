"""What a database complains of, in plain words with a remedy."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from perfgate.history.location import Location

_SQLITE = (
    (("not a database", "malformed", "unsupported file format"),
     "is damaged ({why}); move it away: perfgate history import .perfgate/runs/* makes a new one of the runs' directories"),
    (("database or disk is full", "disk i/o error", "file too large"),
     "cannot be written ({why}); make room on its disk"),
    (("locked", "busy"), "others have been writing to it for too long ({why}); try again"),
    (("readonly", "unable to open", "permission"),
     "cannot be opened for writing ({why}); mend its permissions, or give another place with --history"),
)  # fmt: skip
_POSTGRES = (
    (("password authentication", "no password supplied", "role ", "pg_hba"),
     "does not let us in ({why}); put user and password into the address, or the password into ~/.pgpass"),
    (("could not connect", "connection failed", "connection refused", "timeout", "could not translate", "no such file"),
     "cannot be reached ({why}); is the server running, and the address right?"),
    (("permission denied", "read-only"), "may not be written ({why}); ask its owner for the right to"),
    (("no space left", "disk full"), "cannot be written ({why}); make room on the server"),
)  # fmt: skip


def in_words(error: SQLAlchemyError, location: Location) -> str:
    """Why and what to do; without the statement and its values, which fill a screen."""
    why = _first_line(error)
    for signs, words in _SQLITE if location.file is not None else _POSTGRES:
        if any(sign in why.lower() for sign in signs):
            return words.format(why=why)
    return f"{why}; if the history is at fault, give another with --history"


def _first_line(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    lines = str(cause).strip().splitlines()
    return lines[0].strip() if lines else type(cause).__name__
