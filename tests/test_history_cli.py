"""`perfgate history`, and that gates and runs record themselves."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import record
from history_values import add, at, gate_entry, small_gate
from test_host_profile import profile

from perfgate.calibration.profile_file import write_profile
from perfgate.calibration.profile_json import profile_from_json
from perfgate.cli.calibrate import _record as record_calibration
from perfgate.cli.common import finish, own_command
from perfgate.cli.main import main
from perfgate.gate.verdict import Word
from perfgate.history.database import opened
from perfgate.history.reader import profiles
from perfgate.report.directory import write_result


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose history is where it is by default."""
    monkeypatch.delenv("PERFGATE_HISTORY")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def order(directory: Path, history: str | None = ".perfgate/history.db") -> Any:
    """As much of an order as `finish` looks at."""
    directory.mkdir(parents=True, exist_ok=True)
    return SimpleNamespace(directory=directory, history=None if history is None else at(history))


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["history", *words, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_a_gate_and_a_run_record_themselves_at_their_end(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = small_gate(1, Word.BLOCK)
    finish(order(here / "runs" / "gate"), *gate)
    finish(order(here / "runs" / "run"), record("run"), None)
    assert capsys.readouterr().err == ""
    found = {one["kind"]: one for one in listed(capsys)}
    assert (found["gate"]["verdict"], found["gate"]["exit_code"]) == ("BLOCK", 1)
    assert (found["run"]["verdict"], found["run"]["exit_code"]) == ("DONE", 0)
    assert found["gate"]["directory"] == str(here / "runs" / "gate")


def test_what_was_recorded_is_what_its_directory_says(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(order(here / "one"), *small_gate(1))
    assert main(["history", "import", "one"]) == 0
    assert "0 added, 1 there already" in capsys.readouterr().out


def test_a_host_profile_records_itself_and_its_file_is_not_a_second_one(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = profile()
    write_profile(here / "profile.json", found)
    record_calibration(order(here / "one"), found, here / "profile.json")
    with opened(at(".perfgate/history.db")) as engine:
        assert [profile_from_json(one.profile, "x") for one in profiles(engine)] == [found]
    assert main(["history", "import", "profile.json"]) == 0
    said = capsys.readouterr()
    assert "0 added, 1 there already" in said.out
    assert said.err == ""


def test_no_history_where_it_is_off(here: Path) -> None:
    finish(order(here / "one", None), *small_gate(1))
    assert not (here / ".perfgate").exists()
    assert (here / "one" / "result.json").exists()


def test_a_history_that_cannot_be_written_is_a_warning_with_the_command_that_mends_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "bad.db").write_text("no database" * 100)
    finish(order(here / "one", "bad.db"), *small_gate(1))
    said = capsys.readouterr().err
    assert "warning: not recorded" in said
    command = said.rsplit("perfgate history import ", 1)[1].split()
    assert (here / "one" / "result.json").exists()
    (here / "bad.db").unlink()
    assert main(["history", "import", *command]) == 0
    assert "1 added" in capsys.readouterr().out


def test_a_report_is_shown_again_from_the_directory_or_without_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(order(here / "one"), *small_gate(1, Word.BLOCK))
    run_id = listed(capsys)[0]["id"]
    assert main(["history", "show", run_id[:8]]) == 0
    with_directory = capsys.readouterr().out
    assert "BLOCK" in with_directory
    assert "one/report.md" in with_directory.replace("\n", "")
    shutil.rmtree(here / "one")
    for how in ("terminal", "markdown"):
        assert main(["history", "show", run_id, "--format", how, "--exit-code"]) == 1
        without = capsys.readouterr().out
        assert "BLOCK" in without
        assert "report.md" not in without


def test_another_run_in_the_same_directory_is_not_taken_for_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(order(here / "one"), *small_gate(1))
    shutil.rmtree(here / "one")
    (here / "one").mkdir()
    write_result(here / "one", *small_gate(2))
    assert main(["history", "show", "last", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["record"]["seed"] == 1


def test_filters_count_wherever_they_stand(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(at(".perfgate/history.db"), *(gate_entry(number) for number in range(8)))
    assert len(listed(capsys)) == 8
    assert len(listed(capsys, "--verdict", "block")) == 2
    assert len(listed(capsys, "list", "--verdict", "block", "--verdict", "PASS")) == 4
    assert len(listed(capsys, "--limit", "3", "list")) == 3
    assert len(listed(capsys, "--since", "2026-09-26")) == len(listed(capsys, "--since", "2026-09-26", "list"))
    assert listed(capsys, "--target", "other") == []
    assert main(["history", "--limit", "3", "export"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_list_is_a_table_with_a_row_a_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(at(".perfgate/history.db"), *(gate_entry(number) for number in range(4)))
    assert main(["history"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 + 4
    for number, row in zip(range(3, -1, -1), rows[2:], strict=True):
        assert row.split()[0] == gate_entry(number).id[:8]
        assert list(Word)[number].value in row


def test_an_empty_history_is_no_failure_and_reading_makes_no_file(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history"]) == 0
    assert "nothing recorded yet in .perfgate/history.db" in capsys.readouterr().err
    assert listed(capsys) == []
    for words in (["show", "last"], ["export"], ["prune", "--keep", "1"]):
        assert main(["history", *words]) == 3
        assert "nothing is recorded there yet" in capsys.readouterr().err
    assert not (here / ".perfgate").exists()


def test_import_goes_on_after_what_it_cannot_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        (here / f"run{number}").mkdir()
        write_result(here / f"run{number}", *small_gate(number))
    (here / "broken").mkdir()
    assert main(["history", "import", "run1", "broken", "run2"]) == 3
    said = capsys.readouterr()
    assert "2 added, 0 there already, 1 refused" in said.out
    assert "broken" in said.err


def test_an_export_is_imported_from_a_file_and_from_standard_input(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(at(".perfgate/history.db"), *(gate_entry(number) for number in range(3)))
    assert main(["history", "export", "--out", "all.jsonl"]) == 0
    assert main(["history", "import", "all.jsonl", "--history", "b.db"]) == 0
    with (here / "all.jsonl").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert main(["history", "--history", "c.db", "import", "-"]) == 0
    assert capsys.readouterr().out.count("3 added") == 2
    for name in ("b.db", "c.db"):
        assert main(["history", "export", "--history", name]) == 0
        assert capsys.readouterr().out == (here / "all.jsonl").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["prune"], "--older-than"),
        (["prune", "--keep", "-1"], "--keep -1"),
        (["--limit", "0"], "--limit 0"),
        (["--limit", "9" * 20], "give 1 to 1000000000"),
        (["--since", "soon"], "--since 'soon'"),
        (["show", "zzzz"], "no id"),
        (["show", "abcd1234"], "no run abcd1234"),
        (["export", "--out", "/nowhere/x"], "--out /nowhere/x"),
        (["--history", "mysql://x/y"], "--history mysql://x/y"),
        (["--history", "off"], "the history is off"),
    ],
)
def test_a_wrong_call_names_what_is_wrong(
    words: list[str], says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(at(".perfgate/history.db"), gate_entry(0))
    assert main(["history", *words]) == 3
    assert says in capsys.readouterr().err


def test_prune_says_what_it_did(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(at(".perfgate/history.db"), *(gate_entry(number) for number in range(4)))
    assert main(["history", "prune", "--keep", "1", "--dry-run"]) == 0
    assert main(["history", "prune", "--keep", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "3 would go, 1 left: .perfgate/history.db",
        "3 removed, 1 left: .perfgate/history.db",
    ]


@pytest.mark.parametrize("action", ["list", "show", "export", "import", "prune", "upgrade"])
def test_every_action_has_a_help_with_an_example(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", action, "--help"]) == 0
    assert f"examples:\n  perfgate history {action}" in capsys.readouterr().out


def test_the_address_of_a_history_is_not_kept_in_the_record() -> None:
    words = ["gate", "s.toml", "--history", "postgresql://me:secret@h/x", "--base", "a", "--hist=secret", "--out", "d"]
    assert own_command(words) == "perfgate gate s.toml --base a"
