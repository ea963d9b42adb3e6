"""Runs, host profiles, baselines and competitions as JSON lines, and back; also the runs' own directories."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine

from perfgate.compete.result_json import KIND as COMPETITION
from perfgate.errors import InputError
from perfgate.history.baselines import Baseline, Step, put_back, read_baselines, read_steps
from perfgate.history.choice import Choice
from perfgate.history.competitions import CompetitionEntry, add_competition, read_competitions, read_directory
from perfgate.history.database import writing
from perfgate.history.entry import Entry
from perfgate.history.profile_entry import KIND, ProfileEntry
from perfgate.history.reader import entries, profiles
from perfgate.history.writer import add_profile, add_run
from perfgate.report.directory import RESULT, load_result, result_from_json
from perfgate.stored_form import at, make, needed, parse, value_of

FORMAT = "perfgate_history"
VERSION = 1
BATCH = 20
"""Runs a transaction: other writers get their turn in between."""
Line = Entry | ProfileEntry | Baseline | Step | CompetitionEntry


@dataclass(frozen=True, slots=True)
class Imported:
    """Runs, profiles and baselines that are new in the history, and those it had already."""

    added: int = 0
    present: int = 0

    def __add__(self, other: Imported) -> Imported:
        return Imported(self.added + other.added, self.present + other.present)


def export_lines(engine: Engine, choice: Choice) -> Iterator[str]:
    """One JSON object a line, the oldest first. Host profiles, baselines and competitions follow where every run is asked for."""
    for entry in entries(engine, choice):
        run = {"id": entry.id, "directory": entry.directory, "recorded_wall_ns": entry.recorded_wall_ns}
        yield _line({FORMAT: VERSION, **run, "result": entry.result})
    if choice == Choice():
        for one in profiles(engine):
            yield _line({FORMAT: VERSION, "recorded_wall_ns": one.recorded_wall_ns, "profile": one.profile})
        with engine.connect() as connection:
            rows: list[Baseline | Step] = [*read_baselines(connection), *read_steps(connection)]
            sessions = read_competitions(connection)
        for row in rows:
            yield _line({FORMAT: VERSION, _NAMES[type(row)]: dataclasses.asdict(row)})
        for session in sessions:
            place = {"directory": session.directory, "recorded_wall_ns": session.recorded_wall_ns}
            yield _line({FORMAT: VERSION, **place, "competition": session.result})


_NAMES: dict[type, str] = {Baseline: "baseline", Step: "baseline_step"}


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n"


def import_path(engine: Engine, path: Path) -> Imported:
    """A run's directory, a file of JSON lines, or one result.json or host profile (FILE.json).

    Raises InputError naming file and line; what came before it has been added, and is not added twice the next time.
    """
    if path.is_dir():
        return _import(engine, [_of_directory(path)])
    try:
        if path.suffix == ".json":
            return _import(engine, [_from_json(parse(path.read_bytes()), path)])
        with path.open(encoding="utf-8") as file:
            return import_lines(engine, file, str(path))
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error}); give what perfgate history export wrote") from error
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; give a run's directory or what perfgate history export wrote"
        ) from error


def _of_directory(path: Path) -> Entry | CompetitionEntry:
    result = load_result(path)
    is_competition = isinstance(result, dict) and result.get("kind") == COMPETITION
    return read_directory(result, path) if is_competition else Entry.read(path)


def import_lines(engine: Engine, file: IO[str], origin: str) -> Imported:
    """What `export_lines` made. Raises InputError as `import_path`."""
    return _import(
        engine, (_from_line(line, f"{origin}:{number}") for number, line in enumerate(file, 1) if line.strip())
    )


def _import(engine: Engine, found: Iterable[Line]) -> Imported:
    """A wrong line ends it; the whole ones before it are kept."""
    total, rest = Imported(), iter(found)
    while True:
        batch: list[Line] = []
        problem: InputError | None = None
        try:
            for one in islice(rest, BATCH):
                batch.append(one)  # one by one: what was read before a wrong line stays
        except InputError as error:
            problem = error
        total += _add(engine, batch)
        if problem:
            raise problem
        if not batch:
            return total


def _add(engine: Engine, batch: list[Line]) -> Imported:
    if not batch:
        return Imported()
    with writing(engine) as connection:
        new = [_add_one(connection, one) for one in batch]
    return Imported(sum(new), len(new) - sum(new))


def _add_one(connection: Connection, one: Line) -> bool:
    if isinstance(one, Entry):
        return add_run(connection, one)
    if isinstance(one, CompetitionEntry):
        return add_competition(connection, one)
    return add_profile(connection, one) if isinstance(one, ProfileEntry) else put_back(connection, one)


def _from_line(line: str, origin: str) -> Line:
    remedy = "give what perfgate history export wrote, whole"
    try:
        value = parse(line)
        version = needed(value, FORMAT)
    except ValueError as error:
        raise InputError(f"{origin}: is no line of a history ({error}); {remedy}") from error
    if version != VERSION:
        raise InputError(
            f"{origin}: version {version} of the export cannot be read by this perfgate (it reads {VERSION})"
        )
    try:
        for kind, name in _NAMES.items():
            if name in value:
                with at(name):
                    row: Line = make(kind, value[name])
                return row
        recorded = value_of(int, needed(value, "recorded_wall_ns"), "recorded_wall_ns")
        if "competition" in value:
            session = CompetitionEntry.of_result(value["competition"], str(needed(value, "directory")), origin)
            return dataclasses.replace(session, recorded_wall_ns=recorded)
        if "profile" in value:
            return ProfileEntry(ProfileEntry.of_json(value["profile"], origin).profile, recorded)
        result_from_json(needed(value, "result"), origin)
        entry = Entry.of_result(value["result"], str(needed(value, "directory")))
    except ValueError as error:
        raise InputError(f"{origin}: is no run ({error}); {remedy}") from error
    if entry.id != value.get("id"):
        raise InputError(f"{origin}: the result is not that of run {value.get('id')}: it was changed; {remedy}")
    return Entry(entry.id, entry.result, entry.directory, recorded)


def _from_json(value: Any, path: Path) -> Entry | ProfileEntry | CompetitionEntry:
    if isinstance(value, dict) and value.get("kind") == KIND:
        return ProfileEntry.of_json(value, str(path))
    if path.name == RESULT:
        return _of_directory(path.parent)
    raise InputError(
        f"{path}: is neither a {RESULT} nor a host profile; give a run's directory or an export (JSON lines)"
    )
