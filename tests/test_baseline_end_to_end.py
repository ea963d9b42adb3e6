"""Baselines and debts from commits to verdicts: a real repository, the real store, `perfgate` itself in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from baseline_values import commit_gate
from history_values import add, at
from in_process import perfgate_here
from repository import StoreRepository, target_file

from perfgate.gate.verdict import Word
from perfgate.scenario import load_scenario

# What is fast enough is told by few pairs on a busy machine, too: these gates are about commits, not about figures.
SCENARIO = """
name = "tiny"
[duration]
total_seconds = 10
[arrival]
pattern = "constant"
rate = 300.0
[operations]
recall_weight = 0.5
embedding_search_weight = 0.5
[data]
num_nodes = 200
embedding_dim = 16
[gate]
policy = "quick"
looks = [3, 4, 6]
margin = 0.95
primary = "p50"
alpha_pass = 0.45
operation_margin_factor = 3
measured_seconds = 0.5
warmup_seconds = 0.25
max_lag_p99_ms = 1000
max_worker_cpu = 1
max_core_wait = 1
max_steal = 1
max_gc_pause_ms = 1000
"""
FILES = ("tiny.toml", "--target", "mystore.toml")
HISTORY = ".perfgate/history.db"


class Project:
    """A directory with a scenario, a target file and a repository, where perfgate is called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        target_file(path)
        (path / "tiny.toml").write_text(SCENARIO)
        self.repo = StoreRepository(path / "repo")

    def perfgate(self, *words: str) -> tuple[int, str]:
        """Exit code and standard output."""
        done = perfgate_here(words, self.path)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout

    def refresh(self) -> tuple[int, str]:
        return self.perfgate("baseline", "refresh", *FILES, "--repo", "repo", "--branch", "main")

    def runs(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.perfgate("history", "--json")[1])
        return found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PERFGATE_HISTORY")
    return Project(tmp_path)


@pytest.mark.slow
def test_the_baseline_follows_what_passes_and_stays_before_what_does_not(project: Project) -> None:
    first = project.repo.first
    code, said = project.refresh()
    assert (code, project.runs()) == (0, []), said
    good = project.repo.change("harmless")
    code, said = project.refresh()
    assert code == 0, said
    assert f"baseline moved from {first[:12]} (a store) to {good[:12]} (harmless)" in said
    (run,) = project.runs()
    assert (run["base_commit"], run["candidate_commit"], run["verdict"]) == (first, good, "PASS")

    bad = project.repo.change("forgets", "--fail", "recall=0.3")
    code, said = project.refresh()
    assert code == 1, said
    assert f"{bad[:12]} (forgets) was blocked" in said
    count = len(project.runs())
    assert project.refresh() == (1, said)
    assert len(project.runs()) == count

    present = json.loads(project.perfgate("baseline", "--json")[1])
    assert {one["role"]: one["commit_sha"] for one in present} == {"baseline": good, "golden": first}
    assert [one["action"] for one in json.loads(project.perfgate("baseline", "log", "--json")[1])] == [
        "set",
        "moved",
        "kept",
    ]


@pytest.mark.slow
def test_a_gate_takes_the_anchor_as_its_base(project: Project) -> None:
    project.refresh()
    bad = project.repo.change("forgets", "--fail", "recall=0.3")
    code, _ = project.perfgate(
        "gate", *FILES, "--repo", "repo", "--base", "@golden", "--candidate", "main", "--out", "out"
    )
    assert code == 1
    builds = json.loads((project.path / "out/result.json").read_text())["record"]["environment"]["builds"]
    assert (builds["base"]["asked"], builds["base"]["commit"]) == ("@golden", project.repo.first)
    assert builds["candidate"]["commit"] == bad


@pytest.mark.slow
def test_a_debt_is_decided_at_night_with_more_pairs_and_other_requests(project: Project) -> None:
    (project.path / "tiny.toml").write_text(SCENARIO.replace("[3, 4, 6]", "[2, 3]"))
    good = project.repo.change("harmless")
    command = f"perfgate gate {' '.join(FILES)} --repo repo --time-limit 1s"
    digest = load_scenario(project.path / "tiny.toml").digest
    debt = commit_gate(
        1, project.repo.first, good, Word.INCONCLUSIVE, margin=0.95, policy="quick", name="tiny", target="mystore",
        scenario_digest=digest, environment={"command": command}, duration_ns=1,
    )  # fmt: skip
    add(at(project.path / HISTORY), debt)
    code, said = project.perfgate("gate", "--owed", "--time-limit", "2m")
    assert code == 0, said
    assert "looks at 3, 5, 6 pairs" in said
    assert "PASS, settled" in said
    assert json.loads(project.perfgate("history", "--owed", "--json")[1]) == []
    newest = project.runs()[0]
    assert newest["seed"] != 1  # the first gate's
    assert int(str(newest["pairs"])) >= 3
    assert project.perfgate("gate", "--owed") == (0, "nothing is owed\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gate", *FILES, "--repo", "repo", "--base", "@baseline"], "has no baseline build yet"),
        (["gate", *FILES, "--repo", "repo", "--base", "@golden", "--history", "off"], "the history is off"),
        (["gate", *FILES, "--repo", "repo", "--base", "@other"], "no such commit"),
        (["baseline", "refresh", *FILES, "--repo", "repo", "--anchor-margin", "0.01"], "--anchor-margin 0.01"),
        (["baseline", "refresh", *FILES, "--repo", "repo", "--branch", "nowhere"], "--branch nowhere"),
        (["baseline", "refresh", *FILES, "--repo", "elsewhere"], "--repo elsewhere"),
        (["baseline", "pin", "tiny.toml", "v9", "--target", "mystore.toml", "--repo", "repo"], "REF v9"),
        (["baseline", "--history", "off"], "the history is off"),
    ],
)
def test_a_wrong_call_names_what_is_wrong(
    words: list[str], says: str, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from perfgate.cli.main import main

    monkeypatch.chdir(project.path)
    assert main(words) == 3
    assert says in capsys.readouterr().err


def test_pins_are_shown_and_released(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from perfgate.cli.main import main

    monkeypatch.chdir(project.path)
    pin = [
        "baseline",
        "pin",
        "tiny.toml",
        "main",
        "--target",
        "mystore.toml",
        "--repo",
        "repo",
        "--reason",
        "the release",
    ]
    assert main(["baseline"]) == 0
    assert "no baseline in .perfgate/history.db" in capsys.readouterr().err
    assert main(pin) == main([*pin, "--golden"]) == 0
    assert main(pin) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(["baseline"]) == main(["baseline", "show"]) == 0
    said = capsys.readouterr().out
    assert said.count(project.repo.first[:12]) == 4
    assert "pinned since" in said
    assert "why: the release" in said
    assert main(["baseline", "release", *FILES]) == main(["baseline", "release", *FILES]) == 0
    assert main(["baseline", "refresh", *FILES, "--repo", "repo"]) == 0
    assert "is the newest commit of main already" in capsys.readouterr().out
    assert main(["baseline", "--json", "log", "--scenario", "TIN"]) == 0
    log = json.loads(capsys.readouterr().out)
    assert [one["action"] for one in log] == ["pinned", "pinned", "released"]
    assert main(["baseline", "log", "--target", "other", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("action", ["list", "show", "log", "pin", "release", "refresh"])
def test_every_action_has_a_help_with_an_example(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    from perfgate.cli.main import main

    assert main(["baseline", action, "--help"]) == 0
    assert f"perfgate baseline {action}" in capsys.readouterr().out
