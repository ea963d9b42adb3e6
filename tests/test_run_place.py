"""Where a run's record lies when nobody has said where."""

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
