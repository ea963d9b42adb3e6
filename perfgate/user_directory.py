"""Where a user's own files lie, by the XDG Base Directory Specification."""

from __future__ import annotations

import os
from pathlib import Path

from perfgate.errors import InputError


def user_directory(variable: str, below_home: str) -> Path:
    """`perfgate` in what the environment variable names, or else in a directory of the user's home. Raises InputError where
    there is neither, as in a container whose user has no entry in passwd."""
    if named := os.environ.get(variable):
        return Path(named) / "perfgate"
    try:
        return Path.home() / below_home / "perfgate"
    except RuntimeError:
        raise InputError(f"this user has no home directory; set HOME, or {variable} to a place for perfgate") from None
