"""The scripts of the older names: two recorded commits become one gate."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cluster import SCENARIO
from repository import IDENTITY, TARGET, StoreRepository
from stand_in import StandIn

ROOT = Path(__file__).resolve().parent.parent
CHECK, COMPARE = ROOT / "scripts/m17_performance_check.sh", ROOT / "scripts/compare_m17_performance.sh"


class Labelled:
    """A copy of `template`'s repository."""

    def __init__(self, directory: Path, template: Path) -> None:
        self.directory = directory
        shutil.copytree(template, directory, dirs_exist_ok=True, symlinks=True)
        self.repo = StoreRepository.at(directory / "repo")
        self.first = self.repo.first
        self.stand_in = StandIn(directory)
        self.gates, self.say = self.stand_in.gates, self.stand_in.say

    def call(self, script: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        own = {"PERFGATE_SCENARIO": "perf/tiny.toml", "PERFGATE_TARGET": "perf/mystore.toml"}
        return subprocess.run(
            [str(script), *words], cwd=self.repo.path, capture_output=True, text=True, check=False, timeout=150,
            env={**self.stand_in.environment(), **IDENTITY, **own, **more},
        )  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("template")
    repo = StoreRepository(directory / "repo")
    repo.write("perf/tiny.toml", SCENARIO.format(seconds=10, rate=200.0, gate=""))
    repo.write("perf/mystore.toml", TARGET)
    repo.commit("with its gate")
    return directory


@pytest.fixture
def made(tmp_path: Path, repository: Path) -> Labelled:
    return Labelled(tmp_path, repository)


def test_before_measures_nothing_and_after_gates_both_commits(made: Labelled) -> None:
    done = made.call(CHECK, "m17", "before")
    assert done.returncode == 0, done.stderr
    assert (made.repo.path / ".perfgate/labels/m17/base").read_text().strip() == made.first
    assert made.gates() == []
    worse = made.repo.change("slower")
    made.say("BLOCK")
    done = made.call(CHECK, "m17", "after")
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1].startswith("BLOCK")
    assert f"--base {made.first}" in made.gates()[0]
    assert f"--candidate {worse}" in made.gates()[0]
    assert "--policy" not in made.gates()[0]
    assert made.repo.git("status", "--porcelain") == ""


def test_compare_shows_what_was_compared_before_and_measures_what_was_not(made: Labelled) -> None:
    made.call(CHECK, "m17", "before")
    made.repo.change("slower")
    made.say("BLOCK")
    made.call(CHECK, "m17", "after")
    made.say("PASS")
    done = made.call(COMPARE, "m17")
    assert (done.returncode, done.stdout.split()[0]) == (1, "BLOCK")
    assert len(made.gates()) == 1
    made.repo.change("mended")
    assert made.call(CHECK, "m17", "after").returncode == 0
    assert made.call(COMPARE, "m17").returncode == 0
    assert len(made.gates()) == 2


def test_an_invalid_comparison_is_not_kept(made: Labelled) -> None:
    made.call(CHECK, "m17", "before")
    made.repo.change()
    made.say("INVALID")
    assert made.call(CHECK, "m17", "after").returncode == 3
    made.say("PASS")
    assert made.call(COMPARE, "m17").returncode == 0


def test_quick_is_the_quick_policy_and_a_new_before_forgets_it(made: Labelled) -> None:
    made.call(CHECK, "m17", "before", "--quick")
    made.repo.change()
    made.call(CHECK, "m17", "after")
    assert "--policy quick" in made.gates()[0]
    made.call(CHECK, "m17", "before")
    made.repo.change("another")
    made.call(CHECK, "m17", "after")
    assert "--policy" not in made.gates()[1]


def test_uncommitted_changes_are_named_and_measured_as_a_commit_of_their_own(made: Labelled) -> None:
    made.call(CHECK, "m17", "before")
    made.repo.write("source/new.py", "pass")
    done = made.call(CHECK, "m17", "after")
    assert done.returncode == 0, done.stderr
    assert "uncommitted changes count" in done.stderr
    assert "source/new.py" in done.stderr
    candidate = (made.repo.path / ".perfgate/labels/m17/candidate").read_text().strip()
    assert made.repo.git("rev-parse", f"{candidate}^") == made.first
    assert made.repo.git("show", f"{candidate}:source/new.py") == "pass"
    assert "uncommitted changes on" in made.repo.git("log", "-1", "--format=%s", candidate)
    assert made.repo.git("status", "--porcelain") == "?? source/new.py", "the worktree and the index are as they were"
    made.repo.git("gc", "--quiet", "--prune=now")
    assert made.repo.git("cat-file", "-t", candidate) == "commit"
    made.call(CHECK, "m18", "after")
    assert (made.repo.path / ".perfgate/labels/m18/candidate").read_text().strip() == candidate, "the same, the same"


@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        (CHECK, ["m17", "after"], "has no base"),
        (COMPARE, ["m17"], "has no base"),
        (CHECK, ["m17"], "what to do is missing"),
        (CHECK, ["m17", "during"], "give before, after or compare"),
        (CHECK, ["../m17", "before"], "give a label of letters"),
        (CHECK, ["m17", "before", "--slow"], "is no option"),
        (COMPARE, [], "LABEL is missing"),
    ],
)
def test_a_wrong_call_ends_with_3_and_says_why(script: Path, words: list[str], message: str, made: Labelled) -> None:
    done = made.call(script, *words)
    assert done.returncode == 3
    assert message in done.stderr
    assert made.gates() == []


def test_scenario_and_target_come_from_git_config_where_no_variable_names_them(made: Labelled) -> None:
    made.repo.git("config", "perfgate.scenario", "perf/tiny.toml")
    made.repo.git("config", "perfgate.target", "perf/mystore.toml")
    made.call(CHECK, "m17", "before", PERFGATE_SCENARIO="", PERFGATE_TARGET="")
    made.repo.change()
    done = made.call(CHECK, "m17", "after", PERFGATE_SCENARIO="", PERFGATE_TARGET="")
    assert done.returncode == 0, done.stderr
    assert f"{made.repo.path}/perf/mystore.toml" in made.gates()[0]


@pytest.mark.slow  # the whole way of the scripts' one `perfgate gate` with commits is walked in test_ci_script and test_hook
def test_the_whole_way_on_one_checkout_blocks_a_worse_commit(made: Labelled) -> None:
    made.stand_in.be_real()
    assert made.call(CHECK, "m17", "before").returncode == 0
    made.repo.write("source/__main__.py", "import sys\nfrom perfgate.store.command import main\n"
                    'sys.exit(main([*sys.argv[1:], "--fail", "recall=0.3"]))\n')  # fmt: skip
    done = made.call(CHECK, "m17", "after", "--quick")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("BLOCK")
