"""`perfgate bisect` on a real repository of thirty commits, with the real store."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from in_process import perfgate_here
from repository import StoreRepository, target_file

SCENARIO = """
name = "tiny"
[duration]
total_seconds = 10
[arrival]
pattern = "constant"
rate = 200.0
[operations]
embedding_search_weight = 1.0
[data]
num_nodes = 2000
embedding_dim = 32
[gate]
policy = "quick"
measured_seconds = 0.75
warmup_seconds = 0.25
max_lag_p99_ms = 900
max_worker_cpu = 1
max_core_wait = 1
max_steal = 1
max_gc_pause_ms = 1000
"""
SLOW = ("--slow", "embedding_search=3")
GUILTY = 18
BROKEN = 11


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreRepository:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PERFGATE_QUEUE", str(tmp_path / "queue"))
    target_file(tmp_path)
    (tmp_path / "tiny.toml").write_text(SCENARIO)
    return StoreRepository(tmp_path / "repo")


def thirty(made: StoreRepository, broken: int | None = BROKEN) -> list[str]:
    """Ids of commits 1 to 30: from GUILTY on the search takes three times as long; `broken` does not build."""
    found = []
    for number in range(1, 31):
        made.write("notes.txt", f"{number}\n")
        if number == broken:
            made.write("source/__main__.py", "this is no Python")
            found.append(made.commit(f"commit {number}"))
        else:
            found.append(made.change(f"commit {number}", *(SLOW if number >= GUILTY else ())))
    return found


def bisect(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return perfgate_here(["bisect", "tiny.toml", "--target", "mystore.toml", "--repo", "repo", *words], tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_slow_commit_of_thirty_is_found_across_an_interruption_and_a_commit_that_does_not_build(
    made: StoreRepository, tmp_path: Path
) -> None:
    commits = thirty(made)
    first = bisect(tmp_path, made.first, "main", "--time-limit", "25s")
    assert first.returncode == 4, first.stdout + first.stderr
    again = bisect(tmp_path, made.first, "main")
    assert again.returncode == 3
    assert "--resume goes on" in again.stderr
    done = bisect(tmp_path, made.first, "main", "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{commits[GUILTY - 1]} brought it")
    assert "commit 18" in done.stdout
    assert f"--base {commits[GUILTY - 2][:12]} --candidate {commits[GUILTY - 1][:12]}" in done.stdout
    lines = [json.loads(line) for line in next((tmp_path / ".perfgate/bisect").glob("*.json")).read_text().splitlines()]
    assert lines[0]["commits"] == 30
    assert sum("readings" in line for line in lines) < 25


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_commit_whose_store_does_not_start_is_named_beside_the_one_that_does(
    made: StoreRepository, tmp_path: Path
) -> None:
    made.write("source/__main__.py", "raise SystemExit('no store today')")
    stopped = made.commit("does not start")
    slow = made.change("starts again", *SLOW)
    done = bisect(tmp_path, made.first, "main")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("one of 2 commits brought it")
    assert stopped[:12] in done.stdout
    assert slow[:12] in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["main", "main"], "GOOD and BAD are the same commit"),
        (["main", "main~1"], "is no ancestor of"),
        (["v9", "main"], "GOOD v9: repo has no such commit"),
        (["main~1", "main", "--confidence", "2"], "--confidence 2.0: give a share"),
        (["main~1", "main", "--policy", "fast"], "--policy 'fast' does not exist"),
        (["main~1", "main", "--agents", "127.0.0.1:1"], "--agents: builds lie on this machine"),
        (
            ["main~1", "main", "--target", str(Path(__file__).parents[1] / "targets/embedded.toml")],
            "has no [build], so no commit of it",
        ),
        (["main~1", "main", "--out", "x"], "--out: the gates of a bisection lie in"),
    ],
)
def test_what_cannot_be_bisected_is_refused_before_anything_is_built(
    words: list[str], message: str, made: StoreRepository, tmp_path: Path
) -> None:
    made.change("another")
    done = bisect(tmp_path, *words)
    assert done.returncode == 3
    assert message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".perfgate/bisect").exists()


def test_a_bad_that_does_not_build_ends_before_any_load(made: StoreRepository, tmp_path: Path) -> None:
    made.write("source/__main__.py", "this is no Python")
    made.commit("broken")
    done = bisect(tmp_path, made.first, "main")
    assert done.returncode == 3
    assert "BAD" in done.stderr
    assert "cannot be built" in done.stderr


def test_with_first_parents_a_merge_is_one_commit_and_without_its_own_are_looked_into(
    made: StoreRepository, tmp_path: Path
) -> None:
    from perfgate.bisect.ancestry import read_lineage
    from perfgate.builds.git import Repository

    made.git("checkout", "--quiet", "-b", "topic")
    topic = [made.change("one"), made.change("two", *SLOW)]
    made.git("checkout", "--quiet", "main")
    made.write("notes.txt", "main goes on\n")
    beside = made.commit("beside")
    made.git("merge", "--quiet", "--no-ff", "-m", "merge topic", "topic")
    repository = Repository(made.path)
    good, bad = repository.commit(made.first, "GOOD"), repository.commit("main", "BAD")
    every = read_lineage(repository, good, bad, first_parent=False)
    assert {link.sha for link in every.links} == {*topic, beside, bad.sha}
    assert not every.between(topic[1], beside)[every.place(topic[0])]
    assert every.held(bad.sha).all()
    main = read_lineage(repository, good, bad, first_parent=True)
    assert [link.subject for link in main.links] == ["beside", "merge topic"]
    assert main.links[0].author == "a"
