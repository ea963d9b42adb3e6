"""`perfgate gate --repo` from commits to a verdict, on a real repository and the real store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import write_scenario
from repository import StoreRepository, target_file


def gate(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    scenario = write_scenario(tmp_path)
    return subprocess.run(
        [sys.executable, "-m", "perfgate", "gate", str(scenario), "--target",
         str(tmp_path / "mystore.toml"), "--out", str(tmp_path / "out"), *words],
        capture_output=True, text=True, timeout=150, check=False, cwd=tmp_path,
    )  # fmt: skip


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreRepository:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    target_file(tmp_path)
    return StoreRepository(tmp_path / "repo")


def test_a_worse_commit_is_blocked_against_where_it_left_main_and_named(made: StoreRepository, tmp_path: Path) -> None:
    made.git("checkout", "--quiet", "-b", "topic")
    worse = made.change("recall: forget some", "--fail", "recall=0.3")
    done = gate(tmp_path, "--repo", str(made.path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert worse[:12] in done.stdout
    assert "recall: forget some" in done.stderr
    result = json.loads((tmp_path / "out/result.json").read_text())
    builds = result["record"]["environment"]["builds"]
    assert builds["base"]["commit"] == made.first
    assert builds["base"]["asked"] == "merge-base with main"
    assert builds["candidate"]["commit"] == worse
    assert [phase["name"] for phase in result["record"]["phases"]][:2] == ["build base", "build candidate"]


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
