"""Claims about the command line as a whole."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from builders import gate as decided

from perfgate.cli.main import VERBS, build_parser, main
from perfgate.gate.verdict import Word
from perfgate.report.directory import write_result

ROOT = Path(__file__).resolve().parent.parent
OWN = {"targets/mine.toml", "targets/mystore.toml"}
"""Names in examples that stand for a file of the reader's own."""
HEAVY = ("numpy", "scipy", "pydantic", "rich", "grpc", "aiohttp", "usearch", "google", "sqlalchemy", "alembic")


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys; from perfgate.cli.main import main; main(['--help']); sys.exit(any(m in sys.modules for m in {HEAVY!r}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert "example" in capsys.readouterr().out.lower()


def actions_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


@pytest.mark.parametrize("verb", VERBS)
def test_every_action_of_a_verb_says_what_it_does_and_has_an_example(verb: str) -> None:
    parser = actions_of(build_parser(verb))[verb]
    assert str(parser.description)[0].isupper()
    for name, action in actions_of(parser).items():
        assert action.description, name
        assert f"perfgate {verb} {name}" in (action.epilog or ""), name


@pytest.mark.parametrize("verb", VERBS)
def test_the_files_of_the_examples_are_there(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([verb, "--help"])
    named = set(re.findall(r"(?:scenarios|targets|docs|scripts)/[\w/.-]+\.(?:toml|md|sh)", capsys.readouterr().out))
    assert [name for name in named - OWN if not (ROOT / name).exists()] == []


def test_no_verb_at_all_shows_the_help_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 3
    assert "perfgate VERB --help" in capsys.readouterr().out


def test_a_wrong_call_never_exits_with_the_code_of_a_competitive_block(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "--nonsense"]) == 3
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gat"], "perfgate: argument VERB: 'gat' is unknown: did you mean gate?"),
        (["gate", "--margn", "3"], "perfgate: unknown argument --margn: did you mean --margin?"),
        (["gate", "--nonsense"], "perfgate: unknown argument --nonsense"),
        (["history", "shw"], "perfgate: argument ACTION: 'shw' is unknown: did you mean show?"),
        (["gate", "--mode", "both"], "'both' is unknown: known are alternation, duet"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_word_that_was_meant(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith(said)
    assert lines[1].startswith("usage and examples: perfgate")


def kept_gate(word: Word, directory: Path) -> list[str]:
    directory.mkdir()
    write_result(directory, *decided(word))
    return [sys.executable, "-m", "perfgate", "report", str(directory)]


@pytest.mark.parametrize(("word", "code"), [(Word.PASS, 0), (Word.INCONCLUSIVE, 4)])
def test_a_reader_that_has_gone_does_not_change_a_verdicts_exit_code(word: Word, code: int, tmp_path: Path) -> None:
    words = kept_gate(word, tmp_path / "run")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*words, "--exit-code"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (code, "")


def test_who_closes_both_outputs_gets_the_exit_code_all_the_same(tmp_path: Path) -> None:
    words = shlex.join([*kept_gate(Word.INCONCLUSIVE, tmp_path / "run"), "--format", "markdown", "--exit-code"])
    assert subprocess.run(["sh", "-c", f"exec {words} >&- 2>&-"], check=False).returncode == 4


def test_a_full_disk_behind_a_report_is_told_in_a_line_and_is_no_success(tmp_path: Path) -> None:
    words = kept_gate(Word.PASS, tmp_path / "run")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines() == ["perfgate: [Errno 28] No space left on device; make room there and do it again"]


@pytest.mark.parametrize("how", ["terminal", "markdown", "junit"])
def test_what_cannot_be_shown_without_utf_8_is_a_question_mark(how: str, tmp_path: Path) -> None:
    words = kept_gate(Word.BLOCK, tmp_path / "run")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*words, "--format", how], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "BLOCK" in done.stdout


def test_a_fault_of_its_own_never_exits_with_the_code_of_a_block(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import perfgate.cli.plan

    monkeypatch.setattr(perfgate.cli.plan, "run", lambda parsed: 1 // 0)
    assert main(["plan", "scenario.toml"]) == 3
    assert "fault of perfgate's own" in capsys.readouterr().err
