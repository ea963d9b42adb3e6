"""A history in a file: killed writers, full disks, damaged and foreign files, and where it lies."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from history_values import add, at, gate_entry, small_gate

from perfgate.errors import HistoryError, InputError
from perfgate.history.choice import Choice
from perfgate.history.database import opened, writing
from perfgate.history.location import find_location
from perfgate.history.reader import ids, read_entry
from perfgate.history.recorder import record_run
from perfgate.history.revisions import HEAD, REVISIONS

WRITER = Path(__file__).parent / "history_writer.py"


def start(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(WRITER), *map(str, words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> list[str]:
    """What it had said until then and had not been read."""
    process.kill()
    return process.communicate(timeout=60)[0].split()


def whole_ids(file: Path) -> list[str]:
    """Every run, of which all parts are there."""
    with opened(at(file)) as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        found = ids(connection, Choice())
        counts = connection.exec_driver_sql("SELECT run_id, count(*) FROM pair GROUP BY run_id").all()
        pairs = {row[0]: row[1] for row in counts}
        for one in found:
            record, comparison = read_entry(connection, one).decoded()
            assert comparison is not None
            assert pairs[one] == len(record.pairs)
    return found


# --- killed ----------------------------------------------------------------------------------------------------


def test_a_writer_that_is_killed_loses_nothing_it_said_was_recorded(tmp_path: Path) -> None:
    file, acknowledged = tmp_path / "history.db", []
    for life, lines in enumerate((1, 3, 6)):
        process = start("runs", file, str(1000 * life), "1000")
        acknowledged += [line_of(process) for _ in range(lines)]
        acknowledged += kill(process)
    found = whole_ids(file)
    assert set(acknowledged) <= set(found)
    assert len(found) <= len(acknowledged) + 3  # at most the one whose line was not said any more


def test_a_writer_that_is_killed_inside_its_transaction_leaves_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    add(at(file), gate_entry(0))
    process = start("inside", file, "1")
    assert line_of(process) == "inside"
    kill(process)
    assert whole_ids(file) == [gate_entry(0).id]
    add(at(file), gate_entry(1))
    assert len(whole_ids(file)) == 2


def test_whoever_is_killed_while_making_the_tables_leaves_a_file_that_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    process = start("upgrade", file)
    assert line_of(process) == "inside"
    kill(process)
    add(at(file), gate_entry(1))
    assert whole_ids(file) == [gate_entry(1).id]


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    add(at(file), gate_entry(0))
    process = start("inside", file, "1")
    assert line_of(process) == "inside"
    assert whole_ids(file) == [gate_entry(0).id]
    kill(process)


# --- no room ---------------------------------------------------------------------------------------------------


def test_where_files_may_not_grow_the_gate_is_told_how_to_add_the_run_later(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    add(at(file), *(gate_entry(number) for number in range(3)))
    process = start("limit", file, "10", str(file.stat().st_size + 40_000))
    *acknowledged, refused = [line for line in process.communicate(timeout=100)[0].splitlines() if line]
    assert process.returncode == 0
    assert "make room" in refused
    assert f"perfgate history import /gone --history {file}" in refused
    assert whole_ids(file)[3:] == acknowledged
    add(at(file), gate_entry(10 + len(acknowledged)))  # what was refused can be added


def _can_mount() -> bool:
    unshare = shutil.which("unshare")
    test = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return unshare is not None and subprocess.run(test, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="no file system of one's own can be mounted here (unshare -rm)")
def test_a_full_disk_keeps_what_was_there_and_takes_more_when_there_is_room(tmp_path: Path) -> None:
    filler = f"{tmp_path}/filler"
    script = (
        f"mount -t tmpfs -o size=1200k none {tmp_path} && head -c 300000 /dev/zero > {filler} && "
        f"exec {sys.executable} {WRITER} full {tmp_path}/history.db 1 {filler}"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    refused = [line for line in lines if line.startswith("refused")]
    assert len(refused) == 1
    assert "make room" in refused[0]
    assert lines[-1] == "checked"
    assert len(lines) > 4


# --- damaged, foreign, not to be written -----------------------------------------------------------------------


def damaged(kind: str, file: Path) -> None:
    add(at(file), *(gate_entry(number) for number in range(6)))
    data = file.read_bytes()
    match kind:
        case "text":
            file.write_text("this is no database, however long it may be read\n" * 100)
        case "cut":
            file.write_bytes(data[: len(data) // 2])
        case "zeros":
            file.write_bytes(bytes(len(data)))
        case "overwritten":
            file.write_bytes(data[:100] + b"\xff" * (len(data) - 100))


@pytest.mark.parametrize("kind", ["text", "cut", "zeros", "overwritten"])
def test_a_damaged_file_is_named_with_its_remedy_and_costs_no_run(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    damaged(kind, file)
    before = file.read_bytes()
    warning = record_run(at(file), *small_gate(9), Path("/runs/9"))
    assert "is damaged" in warning
    assert str(file) in warning
    assert "perfgate history import" in warning
    assert file.read_bytes() == before  # it may still be mended


def test_a_result_that_was_damaged_is_named_and_the_others_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    add(at(file), gate_entry(0), gate_entry(1))
    with opened(at(file)) as engine, writing(engine) as connection:
        connection.exec_driver_sql("UPDATE result SET body = x'00112233' WHERE run_id = ?", (gate_entry(0).id,))
    with opened(at(file)) as engine, engine.connect() as connection:
        with pytest.raises(HistoryError, match=f"{gate_entry(0).id} is damaged"):
            read_entry(connection, gate_entry(0).id)
        assert read_entry(connection, gate_entry(1).id).result == gate_entry(1).result


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE run (mine TEXT)")
    with pytest.raises(HistoryError, match="another program"), opened(at(file)):
        pass
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("run",)]


def test_a_place_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    warning = record_run(at(tmp_path / "file" / "history.db"), *small_gate(0), Path("/runs/0"))
    assert "--history" in warning
    assert "nothing is lost" in warning


def test_a_fault_of_the_history_itself_is_no_exception_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for fault in (RuntimeError("x"), MemoryError(), KeyboardInterrupt()):

        def fail(fault: BaseException = fault) -> None:
            raise fault

        monkeypatch.setattr("perfgate.history.database.opened", lambda location, fail=fail: fail())
        assert "not recorded" in record_run(at(tmp_path / "x.db"), *small_gate(0), Path("/x"))


# --- where it lies ---------------------------------------------------------------------------------------------


def test_the_option_goes_before_the_variable_and_both_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFGATE_HISTORY", "")
    assert str(find_location(None)) == ".perfgate/history.db"
    monkeypatch.setenv("PERFGATE_HISTORY", "there.db")
    assert str(find_location(None)) == "there.db"
    assert str(find_location("here.db")) == "here.db"
    assert str(find_location("sqlite:////var/x.db")) == "/var/x.db"
    assert find_location("off") is None
    monkeypatch.setenv("PERFGATE_HISTORY", "off")
    assert find_location(None) is None
    assert find_location("here.db") is not None


@pytest.mark.parametrize("given", ["mysql://x/y", "sqlite://", "", "/", "http://x"])
def test_what_is_no_history_is_refused_before_anything_is_started(given: str) -> None:
    with pytest.raises(InputError, match="--history"):
        find_location(given)


@pytest.mark.parametrize(
    "given",
    ["postgresql://me:secret@host/x", "postgres://me:secret@/x?host=/tmp", "postgresql://host/x?password=secret&a=b"],
)
def test_a_password_is_never_shown(given: str) -> None:
    location = at(given)
    assert "secret" in location.url
    assert "secret" not in f"{location} {location.option}"


def test_paths_may_hold_any_character(tmp_path: Path) -> None:
    file = tmp_path / "50% of?a #b ü" / "h.db"
    add(at(file), gate_entry(0))
    assert whole_ids(file) == [gate_entry(0).id]


def test_the_versions_that_are_known_are_the_migrations_that_are_shipped(tmp_path: Path) -> None:
    from alembic.script import ScriptDirectory

    from perfgate.history.upgrade import alembic_config

    with opened(at(tmp_path / "h.db")) as engine, engine.connect() as connection:
        script = ScriptDirectory.from_config(alembic_config(connection))
    assert [one.revision for one in script.walk_revisions()][::-1] == list(REVISIONS)
    assert script.get_heads() == [HEAD]


def test_runs_survive_a_power_cut_and_writers_wait_for_each_other(tmp_path: Path) -> None:
    with opened(at(tmp_path / "h.db")) as engine, engine.connect() as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert settings == ["wal", 2, 1, 30_000]
