"""Export and import: nothing is lost on the way, nothing is there twice, and what is wrong is named."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from history_values import BEGAN_NS, add, at, gate_entry, small_gate
from hypothesis import given, settings
from hypothesis import strategies as st
from test_result_directory import COMPARISONS

from perfgate.errors import InputError
from perfgate.gate.comparison import Comparison
from perfgate.history.choice import Choice, parse_moment
from perfgate.history.database import opened, writing
from perfgate.history.entry import Entry
from perfgate.history.profile_entry import ProfileEntry
from perfgate.history.reader import entries, ids, profiles
from perfgate.history.transfer import Imported, export_lines, import_lines, import_path
from perfgate.history.writer import add_profile, add_run
from perfgate.report.directory import write_result
from perfgate.run import RunRecord

PROFILE = {
    "kind": "perfgate host profile", "version": 1, "host": {"cpu": "x86", "cores": "2"}, "target": "embedded",
    "variant": "default", "scenario": "CI Quick Check", "scenario_digest": "0123456789abcdef", "policy": "standard",
    "made_at": "2026-11-26T12:00:00+00:00", "expires_at": "2026-12-26T12:00:00+00:00", "components": [],
}  # fmt: skip
TEXT = st.text(max_size=20)
RECORDS = st.builds(
    lambda **fields: dataclasses.replace(small_gate(0)[0], **fields),
    kind=st.sampled_from(["gate", "run", "calibrate"]),
    name=TEXT, target=TEXT, warnings=st.lists(TEXT, max_size=2).map(tuple),
    started_wall_ns=st.integers(0, 2**62), duration_ns=st.integers(0, 2**62), seed=st.integers(0, 2**63 - 1),
    complete=st.booleans(), arms=st.sampled_from([{}, small_gate(0)[0].arms]),
    environment=st.fixed_dictionaries(
        {"controller": TEXT, "agents": st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT, max_size=3), max_size=1)}
    ),
)  # fmt: skip
RUNS = st.lists(st.tuples(RECORDS, st.none() | COMPARISONS, TEXT), max_size=4)


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history without runs, to be copied: making the tables takes longer than all the rest."""
    file = tmp_path_factory.mktemp("blank") / "history.db"
    with opened(at(file)):
        pass
    return file


@settings(max_examples=30, deadline=None)
@given(runs=RUNS)
def test_export_and_import_is_the_identity(blank: Path, runs: list[tuple[RunRecord, Comparison | None, str]]) -> None:
    first, second = (at(shutil.copy(blank, blank.with_name(name))) for name in ("first.db", "second.db"))
    wanted = {}
    with opened(first) as engine, writing(engine) as connection:
        for record, comparison, directory in runs:
            entry = Entry.of(record, comparison, Path("/", directory.replace("\0", "")))
            if add_run(connection, entry):
                wanted[entry.id] = (record, comparison)
    with opened(first) as engine, opened(second) as other:
        lines = list(export_lines(engine, Choice()))
        assert import_lines(other, io.StringIO("".join(lines)), "x") == Imported(len(wanted), 0)
        assert list(export_lines(other, Choice())) == lines
        assert import_lines(other, io.StringIO("".join(lines)), "x") == Imported(0, len(wanted))
        found = {entry.id: entry.decoded() for entry in entries(other, Choice())}
    assert json.dumps(sorted(found)) == json.dumps(sorted(wanted))
    for one, (record, comparison) in wanted.items():
        assert found[one][0] == record
        assert repr(found[one][1]) == repr(comparison)  # by repr: nan is not equal to itself


def test_host_profiles_go_with_the_runs(tmp_path: Path) -> None:
    first, second = at(tmp_path / "1.db"), at(tmp_path / "2.db")
    add(first, gate_entry(0))
    for _ in range(2):
        with opened(first) as engine, writing(engine) as connection:
            add_profile(connection, ProfileEntry.of_json(PROFILE, "x"))
    with opened(first) as engine, opened(second) as other:
        lines = list(export_lines(engine, Choice()))
        assert len(lines) == 2
        assert import_lines(other, io.StringIO("".join(lines)), "x") == Imported(2, 0)
        assert [one.profile for one in profiles(other)] == [PROFILE]
        assert list(export_lines(engine, Choice(limit=5))) == lines[:1]


def test_a_profile_file_is_imported_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(PROFILE, indent=1))
    with opened(at(tmp_path / "h.db")) as engine:
        assert import_path(engine, tmp_path / "p.json") == Imported(1, 0)
        assert import_path(engine, tmp_path / "p.json") == Imported(0, 1)


def test_a_directory_is_the_run_that_was_recorded_and_not_a_second_one(tmp_path: Path) -> None:
    record, comparison = small_gate(1)
    write_result(tmp_path, record, comparison)
    history = at(tmp_path / "h.db")
    add(history, Entry.of(record, comparison, tmp_path))
    with opened(history) as engine:
        assert import_path(engine, tmp_path) == Imported(0, 1)
        assert import_path(engine, tmp_path / "result.json") == Imported(0, 1)
    with opened(at(tmp_path / "other.db")) as engine:
        assert import_path(engine, tmp_path) == Imported(1, 0)
        assert [entry.decoded() for entry in entries(engine, Choice())] == [(record, comparison)]


def exported(*numbers: int) -> list[str]:
    lines = []
    for number in numbers:
        entry = gate_entry(number)
        line = {"perfgate_history": 1, "id": entry.id, "directory": "/x", "recorded_wall_ns": 1, "result": entry.result}
        lines.append(json.dumps(line) + "\n")
    return lines


def _changed(change: dict[str, Any]) -> str:
    return json.dumps({**json.loads(exported(9)[0]), **change}) + "\n"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("no json\n", "is no line of a history"),
        ("[]\n", "is no line of a history"),
        (exported(9)[0][:1000] + "\n", "is no line of a history"),
        (_changed({"perfgate_history": 2}), "version 2"),
        (_changed({"result": {"schema_version": 99, "record": {}}}), "schema_version 99"),
        (_changed({"result": gate_entry(8).result}), "it was changed"),
        (_changed({"recorded_wall_ns": None}), "is no run"),
        (_changed({"profile": {"kind": "perfgate host profile"}}), "not a host profile"),
    ],
)
def test_a_wrong_line_is_named_and_what_came_before_it_is_kept(wrong: str, says: str, tmp_path: Path) -> None:
    history = at(tmp_path / "h.db")
    text = "".join([*exported(1, 2), "\n", wrong, *exported(3)])
    with opened(history) as engine:
        with pytest.raises(InputError, match=f"a.jsonl:4: .*{says}"):
            import_lines(engine, io.StringIO(text), "a.jsonl")
        with engine.connect() as connection:
            assert ids(connection, Choice()) == [gate_entry(1).id, gate_entry(2).id]


@pytest.mark.parametrize("name", ["missing", "empty_directory", "binary", "other.json"])
def test_what_cannot_be_imported_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty_directory").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "other.json").write_text("{}")
    with opened(at(tmp_path / "h.db")) as engine, pytest.raises(InputError, match=name):
        import_path(engine, tmp_path / name)


def test_a_time_ago_and_a_date_are_moments() -> None:
    from datetime import UTC, datetime

    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    at_ns = {text: parse_moment(text, "--since", now) for text in ("7d", "2026-11-19T12:00", "2026-11-19T13:00+01:00")}
    assert set(at_ns.values()) == {1_795_089_600 * 10**9}
    assert parse_moment("1w", "--since", now) == parse_moment("168h", "--since", now) > BEGAN_NS
    for wrong in ("yesterday", "7", "7y", "2026-13-01", "9" * 30 + "d"):
        with pytest.raises(InputError, match="--since"):
            parse_moment(wrong, "--since", now)
