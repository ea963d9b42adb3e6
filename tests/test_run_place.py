"""Where a run's record lies when nobody has said where."""

import subprocess
import sys
from pathlib import Path

from perfgate.cli.run_place import make_run_place


def test_two_runs_begun_in_one_second_by_one_process_have_a_place_each(tmp_path: Path) -> None:
    places = [make_run_place(tmp_path / "runs", "run-small") for _ in range(5)]
    assert len(set(places)) == 5
    assert all(place.is_dir() and not any(place.iterdir()) for place in places)


def test_a_place_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    first = make_run_place(tmp_path, "gate-seed")
    (first / "result.json").write_text("{}")
    assert make_run_place(tmp_path, "gate-seed") != first
    assert [path.name for path in first.iterdir()] == ["result.json"]


def test_a_gate_that_is_refused_leaves_no_empty_place(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    files = [root / "scenarios/ci/quick.toml", "--target", root / "targets/embedded.toml"]
    words = [sys.executable, "-m", "perfgate", "gate", *files, "--base", "nosuch", "--candidate", "default"]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 3
    assert list((tmp_path / ".perfgate" / "runs").iterdir()) == []
