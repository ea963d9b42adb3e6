"""`perfgate gate --repo` where there is nothing to measure. From two commits to a verdict: test_ci_script and test_hook."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cluster import write_scenario
from in_process import perfgate_here
from repository import StoreRepository, target_file


def gate(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    scenario = write_scenario(tmp_path)
    given = ["gate", str(scenario), "--target", str(tmp_path / "mystore.toml"), "--out", str(tmp_path / "out")]
    return perfgate_here([*given, *words], tmp_path)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreRepository:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    target_file(tmp_path)
    return StoreRepository(tmp_path / "repo")


def test_a_commit_that_does_not_build_ends_before_any_load(made: StoreRepository, tmp_path: Path) -> None:
    made.write("source/__main__.py", "this is no Python")
    made.commit("broken")
    done = gate(tmp_path, "--repo", str(made.path))
    assert done.returncode == 3
    assert "SyntaxError" in done.stderr
    assert "Traceback (most recent call last):\n  File" not in done.stderr.split("Its last lines")[0]
    assert not (tmp_path / "out/intervals.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--base", "a"], "--candidate is missing|--base 'a'"),
        (["--repo", "repo", "--base", "v9"], "--base v9: repo has no such commit"),
        (["--repo", "repo", "--base", "main", "--base-artifact", "x"], "give one of them"),
        (["--candidate-artifact", "x"], "--base: give --repo"),
        (["--repo", "repo", "--agents", "127.0.0.1:1"], "builds lie on this machine"),
        (["--variant", "a", "--base", "x", "--candidate", "x"], "--variant goes with --repo"),
    ],
)
def test_builds_that_cannot_be_are_refused_by_name(
    words: list[str], message: str, made: StoreRepository, tmp_path: Path
) -> None:
    import re

    done = gate(tmp_path, *words)
    assert done.returncode == 3
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
