"""`perfgate hook`: real repositories, a real bare remote, real pushes. Only the load is left away, but for one push."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cluster import SCENARIO
from in_process import perfgate_here
from repository import IDENTITY, TARGET, StoreRepository
from stand_in import StandIn

from perfgate.hook.update import parse_updates, updates_of

INSTALL = ("install", "--scenario", "perf/tiny.toml", "--target", "perf/mystore.toml")


class Pushing:
    """A repository with a store, a bare remote that has its first commit, and a perfgate that says what it is told to.
    Both are copied from `template`, see `repositories`."""

    def __init__(self, directory: Path, template: Path) -> None:
        self.directory = directory
        shutil.copytree(template, directory, dirs_exist_ok=True, symlinks=True)
        self.repo = StoreRepository.at(directory / "repo")
        self.first = self.repo.first
        self.repo.git("remote", "set-url", "origin", str(directory / "remote.git"))
        self.stand_in = StandIn(directory)
        self.gates = self.stand_in.gates

    def environment(self, **more: str) -> dict[str, str]:
        return {**self.stand_in.environment(), **IDENTITY, **more}

    def hook(self, *words: str, code: int = 0) -> str:
        done = perfgate_here(["hook", *words], self.repo.path, self.environment())
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install(self) -> str:
        return self.hook(*INSTALL)

    def push(self, word: str, *words: str, **environment: str) -> tuple[bool, str]:
        """Whether git pushed, and all that was said. word: what the gate would say."""
        self.stand_in.say(word)
        done = subprocess.run(
            ["git", "push", *(words or ("origin", "main"))], cwd=self.repo.path, capture_output=True, text=True,
            check=False, timeout=150, env=self.environment(**environment),
        )  # fmt: skip
        return done.returncode == 0, done.stdout + done.stderr

    def remote(self, ref: str = "main") -> str:
        return self.repo.git("ls-remote", "origin", ref).partition("\t")[0]


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository and its remote, made once and copied for each test: git takes longer than the copy."""
    directory = tmp_path_factory.mktemp("template")
    repo = StoreRepository(directory / "repo")
    repo.write("perf/tiny.toml", SCENARIO.format(seconds=10, rate=200.0, gate=""))
    repo.write("perf/mystore.toml", TARGET)
    repo.commit("a store with its gate")
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(directory / "remote.git")], check=True)
    repo.git("remote", "add", "origin", str(directory / "remote.git"))
    repo.git("push", "--quiet", "origin", "main")
    return directory


@pytest.fixture
def bare(tmp_path: Path, repositories: Path) -> Pushing:
    """Nothing is installed yet."""
    return Pushing(tmp_path, repositories)


@pytest.fixture
def made(bare: Pushing) -> Pushing:
    bare.install()
    return bare


def test_a_pass_goes_on_and_a_block_is_stopped_with_commit_report_and_the_way_round(made: Pushing) -> None:
    fine = made.repo.change("fine")
    went, said = made.push("PASS")
    assert went, said
    assert made.remote() == fine
    worse = made.repo.change("store: slower", "--slow", "recall=2")
    went, said = made.push("BLOCK")
    assert not went
    assert made.remote() == fine
    assert f"{worse[:12]} (store: slower) is not pushed to main: BLOCK" in said
    assert "report.md" in said
    assert "PERFGATE_SKIP=" in said
    assert f"--base {fine} --candidate {worse} --policy quick --time-limit 5m" in made.gates()[-1]


@pytest.mark.parametrize(
    ("word", "goes", "said"),
    [
        ("INCONCLUSIVE", True, "warning: INCONCLUSIVE"),
        ("INVALID", False, "is not pushed to main: INVALID"),
        ("bad", False, "INVALID nothing was measured"),
    ],
)
def test_what_is_undecided_warns_and_what_is_invalid_stops(word: str, goes: bool, said: str, made: Pushing) -> None:
    made.repo.change()
    went, output = made.push(word)
    assert went is goes
    assert said in output


def test_a_policy_that_blocks_the_undecided_and_a_setting_that_lets_the_invalid_pass_are_heard(made: Pushing) -> None:
    made.repo.change()
    undecided = made.directory / "verdicts/INCONCLUSIVE/result.json"
    result = json.loads(undecided.read_text())
    result["comparison"]["policy"]["inconclusive"] = "block"
    undecided.write_text(json.dumps(result))
    assert not made.push("INCONCLUSIVE")[0]
    made.repo.git("config", "perfgate.onInvalid", "warn")
    assert not made.push("bad")[0], "a build that failed has measured nothing"
    assert made.push("INVALID")[0]
    assert "INVALID" in made.hook("status")


def test_only_the_main_branch_is_gated_whatever_is_checked_out(made: Pushing) -> None:
    worse = made.repo.change("on main")
    made.repo.git("checkout", "--quiet", "-b", "topic", made.first)
    made.repo.git("rm", "--quiet", "-r", "perf")
    made.repo.change("on topic")
    made.repo.git("tag", "-a", "v1", "-m", "a tag", "main")
    for refs in (["topic"], ["v1"], ["topic:elsewhere"], ["main:copy"]):
        assert made.push("BLOCK", "origin", *refs)[0], refs
    assert made.gates() == []
    went, said = made.push("BLOCK", "origin", "main")  # the files of the gate are only in the pushed commit
    assert not went, said
    assert f"--candidate {worse}" in made.gates()[0]
    assert not made.push("BLOCK", "origin", "topic:main", "--force")[0]


def test_several_refs_at_once_are_gated_for_main_and_stopped_together(made: Pushing) -> None:
    made.repo.change("on main")
    made.repo.git("branch", "topic")
    made.repo.git("tag", "v1")
    assert not made.push("BLOCK", "origin", "topic", "main", "v1")[0]
    assert len(made.gates()) == 1
    assert made.remote("topic") == ""
    assert made.push("PASS", "origin", "topic", "main", "v1")[0]


def test_deletions_and_a_main_that_is_new_go_through(made: Pushing) -> None:
    made.repo.git("push", "--quiet", "origin", "main:old")
    assert made.push("BLOCK", "origin", ":old")[0]
    subprocess.run(["git", "init", "--quiet", "--bare", str(made.directory / "new.git")], check=True)
    went, said = made.push("BLOCK", str(made.directory / "new.git"), "main")
    assert went
    assert "main is new" in said
    subprocess.run(["git", "-C", str(made.directory / "remote.git"), "config", "receive.denyDeleteCurrent", "ignore"])
    assert made.push("BLOCK", "origin", ":main")[0]
    assert made.gates() == []


def test_a_remote_that_is_ahead_is_compared_from_the_last_common_commit_known(made: Pushing, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", str(tmp_path / "remote.git"), str(other)], check=True)
    for words in (["commit", "--quiet", "--allow-empty", "-m", "theirs"], ["push", "--quiet", "origin", "main"]):
        subprocess.run(["git", "-C", str(other), *words], check=True, env={**os.environ, **IDENTITY})
    made.repo.change("mine")
    went, said = made.push("BLOCK", "origin", "main", "--force")
    assert not went
    assert "has not been fetched; compared with the last common commit" in said
    assert f"--base {made.first}" in made.gates()[0]


def test_the_branch_is_the_one_that_the_remotes_head_or_the_setting_names(made: Pushing) -> None:
    made.repo.git("push", "--quiet", "--no-verify", "origin", "main:trunk", "main:release")
    made.repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    made.repo.change()
    assert not made.push("BLOCK", "origin", "main:trunk")[0]
    assert made.push("BLOCK", "origin", "main")[0]
    made.repo.git("config", "perfgate.branch", "release")
    assert not made.push("BLOCK", "origin", "main:release")[0]
    assert made.push("BLOCK", "origin", "main:trunk")[0]


def test_a_skipped_push_is_not_gated_and_its_reason_is_kept(made: Pushing) -> None:
    made.repo.change()
    assert made.push("BLOCK", PERFGATE_SKIP="hotfix for #812")[0]
    assert made.gates() == []
    assert "by a@example.org, skipped: hotfix for #812" in made.hook("status")
    assert made.repo.git("status", "--porcelain") == ""


def test_settings_that_mean_nothing_stop_a_push_unless_it_is_skipped(made: Pushing) -> None:
    made.repo.change()
    made.repo.git("config", "perfgate.onInvalid", "shrug")
    went, said = made.push("PASS")
    assert not went
    assert "give stop or warn" in said
    assert made.push("PASS", PERFGATE_SKIP="settings are broken")[0]


def test_no_verify_skips_it(made: Pushing) -> None:
    made.repo.change()
    assert made.push("BLOCK", "--no-verify", "origin", "main")[0]


def test_a_machine_without_the_toolchain_warns_and_lets_pass(made: Pushing) -> None:
    text = (made.repo.path / "perf/mystore.toml").read_text()
    made.repo.write("perf/mystore.toml", text.replace('["{python}", "--version"]', '["no-such-compiler", "-v"]'))
    made.repo.commit("built by another compiler")
    went, said = made.push("BLOCK")
    assert went, said
    assert "warning: toolchain: no-such-compiler" in said
    assert "no toolchain" in made.hook("status")


def test_a_pass_is_not_measured_again_but_a_block_is(made: Pushing) -> None:
    made.repo.change()
    (made.directory / "remote.git/hooks/pre-receive").write_text("#!/bin/sh\nexit 1\n")
    (made.directory / "remote.git/hooks/pre-receive").chmod(0o755)
    assert not made.push("BLOCK")[0]
    assert not made.push("PASS")[0], "the remote refuses"
    (made.directory / "remote.git/hooks/pre-receive").unlink()
    went, said = made.push("BLOCK")
    assert went
    assert "has passed against" in said
    assert len(made.gates()) == 2


def test_a_machine_without_perfgate_warns_and_lets_pass(made: Pushing) -> None:
    made.repo.git("config", "perfgate.program", "/nowhere/perfgate")
    made.repo.change()
    went, said = made.push("BLOCK", PERFGATE="", PATH="/usr/bin:/bin")
    assert went, said
    assert "perfgate is not installed here" in said


OTHER = '#!/bin/sh\necho "other: $@"\ncat > "{seen}"\nexit {code}\n'


def put_other(place: Path, seen: Path, code: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(OTHER.format(seen=seen, code=code))
    place.chmod(0o755)


@pytest.mark.parametrize("where", [".git/hooks", "githooks"])
def test_a_hook_that_was_there_runs_first_with_the_same_words_and_lines(
    where: str, bare: Pushing, tmp_path: Path
) -> None:
    pushing = bare
    place, seen = pushing.repo.path / where / "pre-push", tmp_path / "seen"
    if where == "githooks":
        pushing.repo.git("config", "core.hooksPath", "githooks")
    put_other(place, seen, 0)
    original = place.read_bytes()
    pushing.install()
    assert "brought up to date" in pushing.install(), "installed twice is installed once"
    commit = pushing.repo.change()
    went, said = pushing.push("PASS")
    assert went
    assert f"other: origin {tmp_path / 'remote.git'}" in said
    assert seen.read_text() == f"refs/heads/main {commit} refs/heads/main {pushing.first}\n"
    put_other(place.with_name("pre-push.before-perfgate"), seen, 1)
    pushing.repo.change("another")
    assert not pushing.push("PASS")[0]
    assert len(pushing.gates()) == 1, "no gate after a hook that has stopped the push"
    put_other(place.with_name("pre-push.before-perfgate"), seen, 0)
    assert "is back" in pushing.hook("uninstall")
    assert place.read_bytes() == original
    assert not place.with_name("pre-push.before-perfgate").exists()
    assert "gates nothing" in pushing.hook("status")


def test_uninstalling_leaves_nothing_and_touches_no_other_hook(made: Pushing) -> None:
    made.hook("uninstall")
    hooks = made.repo.path / ".git/hooks"
    assert not (hooks / "pre-push").exists()
    assert "not installed" in made.hook("uninstall")
    put_other(hooks / "pre-push", made.directory / "seen", 0)
    assert "left as it is" in made.hook("uninstall")
    assert (hooks / "pre-push").exists()


def test_a_directory_of_hooks_for_all_repositories_does_nothing_in_the_others(made: Pushing, tmp_path: Path) -> None:
    made.hook("uninstall")
    made.repo.git("config", "core.hooksPath", str(tmp_path / "shared"))
    assert "other repositories use this directory" in made.install()
    other = StoreRepository(tmp_path / "second")
    other.git("config", "core.hooksPath", str(tmp_path / "shared"))
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(tmp_path / "second.git")], check=True)
    for message in ("one", "two"):
        other.change(message)
        subprocess.run(
            ["git", "push", str(tmp_path / "second.git"), "main"], cwd=other.path, check=True, timeout=60,
            env=made.environment(), capture_output=True,
        )  # fmt: skip
    assert made.gates() == []
    assert "stays" in made.hook("uninstall")
    assert (tmp_path / "shared/pre-push").exists()


def test_a_push_from_a_linked_worktree_is_gated_and_its_skips_are_seen_everywhere(made: Pushing) -> None:
    made.repo.git("worktree", "add", "--quiet", "-b", "topic", str(made.directory / "linked"))
    subprocess.run(
        ["git", "commit", "--quiet", "--allow-empty", "-m", "there"], cwd=made.directory / "linked", check=True,
        env=made.environment(),
    )  # fmt: skip
    for skip, code in (("", 1), ("why not", 0)):
        made.stand_in.say("BLOCK")
        done = subprocess.run(
            ["git", "push", "origin", "topic:main"], cwd=made.directory / "linked", capture_output=True, text=True,
            check=False, timeout=60, env=made.environment(PERFGATE_SKIP=skip),
        )  # fmt: skip
        assert done.returncode == code, done.stderr
    assert "why not" in made.hook("status")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--scenario is missing"),
        (["--scenario", "perf/none.toml", "--target", "perf/mystore.toml"], "perf/none.toml"),
        (["--scenario", "perf/tiny.toml", "--target", "unbuilt.toml"], r"has no [build] table"),
        (["--scenario", "perf/tiny.toml", "--target", "perf/mystore.toml", "--policy", "lax"], "lax"),
        (["--scenario", "perf/tiny.toml", "--target", "perf/mystore.toml", "--time-limit", "soon"], "'soon'"),
    ],
)
def test_what_no_push_could_be_gated_by_is_refused_when_it_is_installed(
    words: list[str], message: str, bare: Pushing
) -> None:
    before, _, host = TARGET.partition("[build]")
    bare.repo.write("unbuilt.toml", before + "[host]" + host.partition("[host]")[2])
    assert message in bare.hook("install", *words, code=3)
    assert not (bare.repo.path / ".git/hooks/pre-push").exists()


def test_hooks_that_would_be_lost_or_broken_are_refused(made: Pushing) -> None:
    hooks = made.repo.path / ".git/hooks"
    for name in ("pre-push", "pre-push.before-perfgate"):
        put_other(hooks / name, made.directory / "seen", 0)
    assert "remove the other" in made.hook("install", code=3)
    made.repo.git("config", "core.hooksPath", ".husky/_")
    assert "add the line" in made.hook("install", code=3)


def test_the_lines_of_git_are_read_as_githooks_describes_them() -> None:
    zero, one, two = "0" * 40, "1" * 40, "2" * 40
    lines = (
        f"refs/heads/a {one} refs/heads/main {two}\n(delete) {zero} refs/heads/main {one}\n"
        f"refs/heads/b {one} refs/heads/b {zero}\nrefs/tags/main {one} refs/tags/main {zero}\n"
        f"HEAD~1 {one} refs/heads/main {zero}\n"
    )
    chosen = updates_of(parse_updates(lines), ("main",))
    assert [(update.local_ref, update.creates) for update in chosen] == [("refs/heads/a", False), ("HEAD~1", True)]
    assert parse_updates("") == ()


def test_the_whole_way_a_pushed_slow_down_is_stopped_by_a_real_gate(made: Pushing) -> None:
    made.stand_in.be_real()
    worse = made.repo.change("recall: forget some", "--fail", "recall=0.3")
    went, said = made.push("")
    assert not went
    assert f"{worse[:12]} (recall: forget some) is not pushed to main: BLOCK" in said, said
    assert made.remote() == made.first
    assert made.repo.git("status", "--porcelain") == ""
