"""`perfgate plan`: what it prints is what will be sent."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from perfgate.cli.main import main
from perfgate.cli.plan import sparkline

SCENARIO = """\
name = "Two and a half seconds"
description = "of bursts"
[duration]
total_seconds = 2.5
[arrival]
pattern = "periodic_burst"
base_rate = 100
burst_rate = 400
burst_duration_sec = 1
burst_period_sec = 2
[operations]
store_weight = 1
embedding_search_weight = 3
[data]
num_nodes = 1_000
embedding_dim = 16
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.toml"
    path.write_text(SCENARIO)
    return path


def test_the_summary_names_counts_rate_data_and_what_a_gate_sees(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "700 in 2.50 s" in shown
    assert "100 / 280 / 400 a second (min / mean / max)" in shown
    assert "1,000 nodes of 16 dimensions (uniform) in 1 memory space" in shown
    assert "1,000 queries, a pool of 700 vectors to store" in shown
    assert "pairs of fresh processes (standard policy)" in shown
    assert max(len(line) for line in shown.splitlines()) <= 120


def test_the_timeline_adds_up_to_the_summary(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(file), "--csv", "-"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0]) == ["time_s", "operation", "count"]
    assert [(row["time_s"], row["operation"]) for row in rows] == [
        (second, operation) for second in "012" for operation in ("store", "embedding_search")
    ]
    per_second = [sum(int(row["count"]) for row in rows if row["time_s"] == second) for second in "012"]
    assert per_second == [400, 100, 200]
    assert main(["plan", str(file), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["requests"] == 700
    for operation, count in summary["operations"].items():
        assert count == sum(int(row["count"]) for row in rows if row["operation"] == operation)


def test_the_timeline_goes_into_a_file(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = tmp_path / "timeline.csv"
    assert main(["plan", str(file), "--csv", str(wanted)]) == 0
    assert wanted.read_text().startswith("time_s,operation,count\n0,store,")
    assert str(wanted) in capsys.readouterr().out


def test_the_seed_changes_what_is_asked_for(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for seed in ("1", "2", "1"):
        assert main(["plan", str(file), "--seed", seed, "--csv", "-"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[2]
    assert shown[0] != shown[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--csv", "/nowhere/at/all.csv"], "perfgate: --csv /nowhere/at/all.csv: cannot be written: "),
        (["--seed", "-1"], "perfgate: seed = -1 must be between 0 and"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_3(
    file: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(file), *arguments]) == 3
    printed = capsys.readouterr()
    assert printed.err.startswith(message)
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_a_wrong_scenario_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(tmp_path / "none.toml")]) == 3
    assert "none.toml: no such file" in capsys.readouterr().err


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--help"]) == 0
    assert "perfgate plan scenarios/ci/fast_regression_check.toml" in capsys.readouterr().out


def test_a_sparkline_is_as_high_as_its_values() -> None:
    assert sparkline(np.array([0.0, 50.0, 100.0])) == "▁▅█"
    assert sparkline(np.zeros(3)) == "▁▁▁"
    assert len(sparkline(np.ones(1000))) == 60
