"""Claims about the command line as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

from perfgate.cli.main import VERBS, main

HEAVY = ("numpy", "scipy", "pydantic", "rich", "grpc", "aiohttp", "usearch", "google", "sqlalchemy", "alembic")


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys; from perfgate.cli.main import main; main(['--help']); sys.exit(any(m in sys.modules for m in {HEAVY!r}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert "example" in capsys.readouterr().out.lower()


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
        (["gate", "--margn", "3"], "perfgate gate: unknown argument --margn: did you mean --margin?"),
        (["history", "shw"], "perfgate history: argument ACTION: 'shw' is unknown: did you mean show?"),
        (["gate", "--mode", "both"], "'both' is unknown: known are alternation, duet"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_word_that_was_meant(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 3
    lines = capsys.readouterr().err.splitlines()
    assert said in lines[0]
    assert lines[1].startswith("usage and examples: perfgate")


def test_a_fault_of_its_own_never_exits_with_the_code_of_a_block(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import perfgate.cli.plan

    monkeypatch.setattr(perfgate.cli.plan, "run", lambda parsed: 1 // 0)
    assert main(["plan", "scenario.toml"]) == 3
    assert "fault of perfgate's own" in capsys.readouterr().err
