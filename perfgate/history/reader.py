"""Reads runs: as lines of a list, or whole."""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, select

from perfgate.errors import HistoryError, InputError
from perfgate.history.choice import Choice
from perfgate.history.entry import Entry, unpack
from perfgate.history.identity import LENGTH
from perfgate.history.profile_entry import ProfileEntry
from perfgate.history.schema import build, effect, host_profile, result, run
from perfgate.history.summary import Summary

LAST = "last"
_SHORTEST = 4
_OF_RUN = [name for name in (field.name for field in dataclasses.fields(Summary)) if name in run.c]


def summaries(connection: Connection, choice: Choice) -> list[Summary]:
    """The newest first."""
    statement = _summary_query().where(*choice.conditions()).order_by(run.c.started_wall_ns.desc(), run.c.id)
    rows = connection.execute(statement.limit(choice.limit)).mappings()
    return [Summary(**{**row, "reasons": tuple(row["reasons"])}) for row in rows]


def _summary_query() -> Select[Any]:
    base, candidate, whole = build.alias(), build.alias(), effect.alias()
    overall = and_(whole.c.run_id == run.c.id, whole.c.operation.is_(None), whole.c.is_primary)
    return select(
        *(run.c[name] for name in _OF_RUN),
        base.c.name.label("base"), base.c.commit_sha.label("base_commit"),
        candidate.c.name.label("candidate"), candidate.c.commit_sha.label("candidate_commit"),
        whole.c.metric, whole.c.estimate, whole.c.lower, whole.c.upper,
    ).select_from(
        run.outerjoin(base, and_(base.c.run_id == run.c.id, base.c.arm == "base"))
        .outerjoin(candidate, and_(candidate.c.run_id == run.c.id, candidate.c.arm == "candidate"))
        .outerjoin(whole, and_(overall, whole.c.statistic.in_(["p50", "p95", "p99"])))
    )  # fmt: skip


def ids(connection: Connection, choice: Choice) -> list[str]:
    """The oldest first; with a limit the newest so many of them."""
    statement = select(run.c.id).where(*choice.conditions()).order_by(run.c.started_wall_ns.desc(), run.c.id.desc())
    return [str(found) for found in connection.scalars(statement.limit(choice.limit))][::-1]


def find_id(connection: Connection, wanted: str) -> str:
    """Of an id, the beginning of one, or `last`. Raises InputError where it is none, or of several runs."""
    if wanted == LAST:
        newest = ids(connection, Choice(limit=1))
        if not newest:
            raise InputError("the history holds no run yet")
        return newest[0]
    if not re.fullmatch(rf"[0-9a-f]{{{_SHORTEST},{LENGTH}}}", wanted):
        raise InputError(
            f"{wanted!r} is no id of a run: give {_SHORTEST} or more of its digits as perfgate history shows them, or "
            f"`{LAST}`; of a directory perfgate report DIR shows the run"
        )
    statement = (
        select(run.c.id).where(run.c.id.startswith(wanted)).order_by(run.c.started_wall_ns.desc(), run.c.id).limit(4)
    )
    found = [str(one) for one in connection.scalars(statement)]
    if not found:
        raise InputError(f"no run {wanted} in the history; perfgate history shows which there are")
    if len(found) > 1:
        raise InputError(f"{wanted} is the beginning of several runs: {', '.join(found)}; give more digits")
    return found[0]


def read_entry(connection: Connection, run_id: str) -> Entry:
    """One run whole. Raises HistoryError where it is damaged, and KeyError where it is not there (any more)."""
    columns = (run.c.directory, run.c.recorded_wall_ns, result.c.body)
    row = connection.execute(select(*columns).join_from(run, result).where(run.c.id == run_id)).first()
    if row is None:
        raise KeyError(run_id)
    try:
        return Entry(run_id, unpack(row.body), row.directory, row.recorded_wall_ns)
    except (ValueError, zlib.error) as error:
        raise HistoryError(
            f"run {run_id} is damaged ({error}); its directory may still be there: {row.directory}"
        ) from error


def entries(engine: Engine, choice: Choice) -> Iterator[Entry]:
    """The oldest first, one at a time in memory; a run that is pruned meanwhile is left out."""
    with engine.connect() as connection:
        wanted = ids(connection, choice)
    for one in wanted:
        try:
            with engine.connect() as connection:
                yield read_entry(connection, one)
        except KeyError:
            continue


def profiles(engine: Engine) -> list[ProfileEntry]:
    """All host profiles, the oldest first."""
    statement = select(host_profile).order_by(host_profile.c.made_wall_ns, host_profile.c.id)
    with engine.connect() as connection:
        return [ProfileEntry(row.body, row.recorded_wall_ns) for row in connection.execute(statement)]
