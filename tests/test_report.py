from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import pytest
from builders import comparison, gate, record
from conftest import Golden
from rich.console import Console

from perfgate.gate.verdict import Reason, Verdict, Word
from perfgate.outcome import Outcome
from perfgate.report.markdown import gate_markdown, run_markdown
from perfgate.report.terminal import make_console, render_gate, render_run
from perfgate.run import RunRecord
from perfgate.segment import Arm

DIRECTORY = Path(".perfgate/runs/one")
WORDS = pytest.mark.parametrize("word", Word)


def gate_text(word: Word, width: int = 100, terminal: bool = False) -> str:
    out = io.StringIO()
    render_gate(*gate(word), Console(file=out, width=width, highlight=False, force_terminal=terminal), DIRECTORY)
    return out.getvalue()


def run_text(one: RunRecord, width: int = 100) -> str:
    out = io.StringIO()
    render_run(one, Console(file=out, width=width, highlight=False, force_terminal=False), DIRECTORY)
    return out.getvalue()


@WORDS
def test_the_terminal_report_of_each_verdict_is_as_reviewed(word: Word, golden: Golden) -> None:
    golden(f"gate_{word.value.lower()}.txt", gate_text(word))


@WORDS
def test_the_markdown_report_of_each_verdict_is_as_reviewed(word: Word, golden: Golden) -> None:
    golden(f"gate_{word.value.lower()}.md", gate_markdown(*gate(word), DIRECTORY))


def test_the_reports_of_a_run_are_as_reviewed(golden: Golden) -> None:
    one = record("run", failed={Outcome.TIMEOUT: 3})
    golden("run.txt", run_text(one))
    golden("run.md", run_markdown(one, DIRECTORY))


@WORDS
def test_the_verdict_is_the_first_word(word: Word) -> None:
    assert re.findall(r"\w+", gate_text(word))[0] == word.value


@WORDS
@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_line_but_those_to_be_copied_is_wider_than_the_terminal(word: Word, width: int) -> None:
    body, _, _ = gate_text(word, width).partition("\nreport ")
    assert max(len(line) for line in body.splitlines()) <= width


@WORDS
def test_nothing_is_cut_off_with_an_ellipsis(word: Word) -> None:
    without_intervals = re.sub(r"[-+][\d.]+ … [-+][\d.]+", "", gate_text(word, 80))
    assert "…" not in without_intervals


COMMITS: dict[str, Any] = {
    "builds": {
        "base": {"label": "4339e14be555", "commit": "4339", "subject": "note 3", "dirty": False, "asked": "merge-base"},
        "candidate": {
            "label": "9e2b053f77b9",
            "commit": "9e2b",
            "subject": "a remark",
            "dirty": False,
            "asked": "topic",
        },
    },
    "command": "perfgate gate perf/gate.toml --policy=quick --target perf/store.toml --repo . --candidate topic",
}


def commits_text(word: Word, **changed: object) -> str:
    made, comparison = gate(word)
    out = io.StringIO()
    made = dataclasses.replace(made, environment={**made.environment, **COMMITS, **changed})
    render_gate(made, comparison, Console(file=out, width=100, highlight=False), DIRECTORY)
    return out.getvalue()


def test_a_gate_of_commits_says_which_they_are() -> None:
    text = commits_text(Word.PASS)
    assert "candidate  9e2b053f77b9 a remark (topic)\n  base       4339e14be555 note 3 (merge-base)\n" in text
    assert "bisect" not in text
    named = {**COMMITS["builds"], "base": {**COMMITS["builds"]["base"], "asked": "4339"}}
    assert "base       4339e14be555 note 3\n" in commits_text(Word.PASS, builds=named), "an id needs no other name"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {},
            "bisect  perfgate bisect perf/gate.toml --policy quick --target perf/store.toml --repo . 4339e14be555 9e2b053f77b9",
        ),
        ({"command": "perfgate gate --owed"}, ""),
        ({"command": "perfgate gate 'unclosed"}, ""),
        ({"builds": {"base": COMMITS["builds"], "candidate": {}}}, ""),
    ],
)
def test_a_blocked_gate_of_commits_says_how_the_one_to_blame_is_found(changed: dict[str, object], line: str) -> None:
    found = [text for text in commits_text(Word.BLOCK, **changed).splitlines() if text.startswith("bisect")]
    assert found == ([line] if line else [])


def test_the_small_print_explains_no_column_that_there_is_no_room_for() -> None:
    assert "would see" in gate_text(Word.PASS, 100)
    narrow = gate_text(Word.PASS, 70)
    assert "would see" not in narrow
    assert "each pair" not in narrow
    assert "finding: clear of the margin" in narrow


def test_plain_text_has_no_escape_codes_and_no_trailing_space() -> None:
    text = gate_text(Word.BLOCK)
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_a_terminal_shows_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[1;31m" in gate_text(Word.BLOCK, terminal=True)


def test_no_color_is_heeded_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "31m" not in gate_text(Word.BLOCK, terminal=True)


def test_a_pipe_gets_a_hundred_columns_and_never_fewer_than_eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert make_console().width == 100
    monkeypatch.setenv("COLUMNS", "40")
    assert make_console().width == 80


def test_a_remedy_stands_under_its_reason() -> None:
    lines = gate_text(Word.INVALID).splitlines()
    at = next(index for index, line in enumerate(lines) if "late by 3.1 ms" in line)
    assert lines[at + 1].strip() == "→ free CPUs for the agent, or lower the scenario's rate."


def test_an_inconclusive_report_says_what_would_help_and_no_other_does() -> None:
    assert [word for word in Word if "What would help" in gate_text(word)] == [Word.INCONCLUSIVE]


def test_pairs_that_did_not_count_are_not_taken_for_pairs_that_time_did_not_allow() -> None:
    looks = comparison(Word.INCONCLUSIVE).policy.looks
    short = gate_markdown(record(), comparison(Word.INCONCLUSIVE, pairs=looks[-1] - 2, look=len(looks) - 1))
    spoilt = gate_markdown(record(), comparison(Word.INCONCLUSIVE, pairs=looks[-1] - 2, look=len(looks)))
    assert "a longer --time-limit allows more" in short
    assert f"2 of {looks[-1]} pairs did not count" in spoilt
    assert "--time-limit allows" not in spoilt


def test_a_broken_off_run_says_so_before_any_figure() -> None:
    text = run_text(record("run", complete=False, warnings=("broken off: interrupted",)))
    assert text.index("BROKEN OFF") < text.index("partial") < min(text.index(digit) for digit in "123456789")
    assert text.index("interrupted") < text.index("p50")


def test_a_run_in_which_nothing_was_measured_can_be_shown() -> None:
    one = record("run", complete=False, arms={}, measured_ns={}, timeline=(), limits=())
    assert "Nothing was measured" in run_text(one)
    assert "Nothing was measured" in run_markdown(one)


def test_a_gate_without_any_pair_can_be_shown() -> None:
    one = record(arms={}, measured_ns={}, pair_count=0, limits=(), complete=False)
    none = comparison(Word.INVALID, pairs=0)
    assert "partial data" in gate_markdown(one, none)


def test_a_missed_limit_makes_the_headline_of_a_run() -> None:
    missed = {"name": "max_error_rate", "limit": 0.01, "unit": "share", "base": 0.05, "met_base": False}
    text = run_text(record("run", limits=(missed,)))
    assert "LIMITS MISSED" in text
    assert "5 % MISSED" in text


def test_a_limit_without_a_measurement_is_shown_as_missed() -> None:
    missed = {"name": "expected_p99_latency_ms", "limit": 5.0, "unit": "ms", "base": None, "met_base": False}
    assert "– MISSED" in run_text(record("run", limits=(missed,)))


def test_a_block_by_something_else_than_a_metric_says_it_in_the_headline() -> None:
    one, other = gate(Word.BLOCK)
    verdict = Verdict(Word.BLOCK, (Reason("throughput", "the candidate cannot hold the rate", "", "throughput"),))
    text = gate_markdown(one, dataclasses.replace(other, verdict=verdict, effects=()))
    assert "must not replace default: the candidate cannot hold the rate." in text


def test_what_a_store_says_cannot_become_markup() -> None:
    text = gate_markdown(*gate(Word.BLOCK))
    assert r"\| \`busy\` \<b\>" in text
    assert "<b>" not in text


def test_rows_of_markdown_tables_have_as_many_cells_as_their_heads() -> None:
    for word in Word:
        blocks = re.findall(r"(?:^\|.*\n)+", gate_markdown(*gate(word)), re.MULTILINE)
        assert blocks
        for block in blocks:
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_rich_markup_in_a_name_is_shown_as_it_is() -> None:
    one = record("run", builds={Arm.BASE: "[red]a[/red]"}, warnings=("[bold]x",))
    text = run_text(one)
    assert "[red]a[/red]" in text
    assert "[bold]x" in text


def test_the_command_of_a_record_is_shown_where_it_is_known() -> None:
    assert "again   perfgate run a.toml\n" in run_text(record("run", environment={"command": "perfgate run a.toml"}))
