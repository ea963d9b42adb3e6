"""That real runs and gates are in the history when they have ended, and do not depend on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cluster import measured, perfgate, write_scenario, write_target

from perfgate.report.directory import read_result


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def words(kind: str, directory: Path, history: Path) -> list[str]:
    scenario, target = write_scenario(directory, seconds=1), write_target(directory)
    out = ["--out", str(directory / "out"), "--history", str(history)]
    return [kind, str(scenario), "--target", str(target), *out]


def test_a_real_run_is_in_the_history_and_is_the_one_of_its_directory(tmp_path: Path, cache: Path) -> None:
    history = tmp_path / "history.db"
    done = perfgate([*words("run", tmp_path, history), "--warmup", "0s"], cache)
    assert measured(done), done.stdout + done.stderr
    listed = json.loads(perfgate(["history", "--history", str(history), "--json"], cache).stdout)
    assert [(one["kind"], one["verdict"], one["directory"]) for one in listed] == [
        ("run", "INVALID" if done.returncode else "DONE", str(tmp_path / "out"))
    ]
    imported = perfgate(["history", "import", str(tmp_path / "out"), "--history", str(history)], cache)
    assert "0 added, 1 there already" in imported.stdout
    shown = json.loads(
        perfgate(["history", "show", "last", "--format", "json", "--history", str(history)], cache).stdout
    )
    assert shown == json.loads((tmp_path / "out" / "result.json").read_text())
    assert str(history) not in str(read_result(tmp_path / "out")[0].environment["command"])


@pytest.mark.slow
def test_a_real_gate_says_what_it_says_when_its_history_is_damaged(tmp_path: Path, cache: Path) -> None:
    history = tmp_path / "history.db"
    history.write_text("no database" * 100)
    done = perfgate([*words("gate", tmp_path, history), "--base", "default", "--candidate", "failing"], cache)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "warning: not recorded in the history" in done.stderr
    assert f"perfgate history import {tmp_path / 'out'} --history {history}" in done.stderr
    history.unlink()
    added = perfgate(["history", "import", str(tmp_path / "out"), "--history", str(history)], cache)
    assert "1 added" in added.stdout
    listed = json.loads(perfgate(["history", "--history", str(history), "--json"], cache).stdout)
    assert [(one["verdict"], one["candidate"]) for one in listed] == [("BLOCK", "failing")]
