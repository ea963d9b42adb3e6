"""`@baseline` and `@golden`: names of commits that the history knows, and git does not."""

from __future__ import annotations

from collections.abc import Mapping

from perfgate.baseline.ledger import Ledger, present
from perfgate.errors import InputError
from perfgate.history.baselines import BASELINE, GOLDEN, Series
from perfgate.history.location import VARIABLE, Location

NAMES: Mapping[str, str] = {"@baseline": BASELINE, "@golden": GOLDEN}
"""What may be given for a commit, and its role. git would allow a branch of such a name; it is still to be had as
refs/heads/@baseline."""


def commit_of(name: str, option: str, location: Location | None, series: Series) -> str:
    """The commit id that a name of NAMES stands for. Raises InputError where there is none."""
    if location is None:
        raise InputError(
            f"{option} {name}: the history is off (--history or ${VARIABLE}), and it alone knows baselines"
        )
    exists = location.file is None or location.file.exists()
    found = present(Ledger(location, series).baselines(), NAMES[name]) if exists else None
    if found is None:
        raise InputError(
            f"{option} {name}: {series} has no {NAMES[name]} build yet in {location}; perfgate baseline refresh sets it, or "
            "perfgate baseline pin"
        )
    return found.commit_sha
