"""Commits become builds, the same way for both, once, and nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from repository import TARGET, StoreRepository, target_file

from perfgate.builds.build import Build, Builder, ToolchainError, given_artifact
from perfgate.builds.derive import derive_target
from perfgate.builds.git import Commit, Repository
from perfgate.builds.store import ABOUT, BuildStore
from perfgate.errors import InputError
from perfgate.targets.load import load_target
from perfgate.units import NS_PER_S


@pytest.fixture
def made(tmp_path: Path) -> StoreRepository:
    return StoreRepository(tmp_path / "repo")


def builder(made: StoreRepository, tmp_path: Path, text: str = TARGET) -> Builder:
    target = load_target(target_file(tmp_path, text))
    return Builder(target, Repository(made.path), BuildStore(tmp_path / "builds"), tmp_path / "logs")


def build(worker: Builder, commit: Commit, seconds: float = 60.0) -> Build:
    return asyncio.run(worker.build(commit, int(seconds * NS_PER_S), lambda what: None))


def test_a_commit_is_built_in_a_worktree_that_is_gone_afterwards(made: StoreRepository, tmp_path: Path) -> None:
    made.write("source/__main__.py", "not what is committed")
    worker = builder(made, tmp_path)
    built = build(worker, Repository(made.path).commit("main", "--base"))
    assert (built.directory / "store.pyz").is_file()
    assert built.label == made.first[:12]
    assert built.toolchain[0].startswith("Python 3")
    assert not built.cached
    assert made.git("worktree", "list").count("\n") == 0
    assert "not what is committed" in (made.path / "source/__main__.py").read_text()


def test_the_same_commit_is_built_once_and_another_one_anew(made: StoreRepository, tmp_path: Path) -> None:
    worker, repository = builder(made, tmp_path), Repository(made.path)
    first = build(worker, repository.commit(made.first, "--base"))
    again = build(worker, repository.commit("HEAD", "--base"))
    made.change("slower", "--slow", "recall=1.2")
    other = build(worker, repository.commit("HEAD", "--candidate"))
    assert again.cached
    assert again.directory == first.directory
    assert not other.cached
    assert other.directory != first.directory


def test_other_steps_make_another_build_of_the_same_commit(made: StoreRepository, tmp_path: Path) -> None:
    commit = Repository(made.path).commit("main", "--base")
    build(builder(made, tmp_path), commit)
    changed = TARGET.replace('["{python}", "build.py"]', '["{python}", "-O", "build.py"]')
    assert not build(builder(made, tmp_path, changed), commit).cached


def test_uncommitted_and_new_files_are_built_but_ignored_ones_are_not(made: StoreRepository, tmp_path: Path) -> None:
    repository = Repository(made.path)
    made.write(".perfgate/runs/one/result.json", "{}")  # what perfgate itself left there is no change
    assert not repository.snapshot(made.path, "--candidate").dirty
    made.write(".gitignore", "ignored.txt\n.perfgate/\n")
    made.write("ignored.txt", "x")
    made.write("new.txt", "y")
    head, status = made.git("rev-parse", "HEAD"), made.git("status", "--porcelain")
    snapshot = repository.snapshot(made.path, "--candidate")
    assert snapshot.dirty
    assert snapshot.label.endswith("-dirty")
    assert "uncommitted changes" in str(snapshot)
    assert set(made.git("ls-tree", "--name-only", snapshot.sha).split()) == {
        ".gitignore", "build.py", "new.txt", "source",
    }  # fmt: skip
    assert snapshot.sha == repository.snapshot(made.path, "--candidate").sha
    assert (made.git("rev-parse", "HEAD"), made.git("status", "--porcelain")) == (head, status)


def test_a_build_that_fails_shows_its_last_lines(made: StoreRepository, tmp_path: Path) -> None:
    made.write("source/__main__.py", "this is no Python")
    made.commit("broken")
    with pytest.raises(InputError, match=r"ended with status 1[\s\S]*SyntaxError"):
        build(builder(made, tmp_path), Repository(made.path).commit("HEAD", "--candidate"))
    assert made.git("worktree", "list").count("\n") == 0


def test_a_build_that_takes_too_long_is_ended_with_everything_below_it(made: StoreRepository, tmp_path: Path) -> None:
    made.write(
        "build.py",
        """
        import os, subprocess, sys, pathlib
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(os.environ["PIDS"]).write_text(str(child.pid))
        child.wait()
        """,
    )
    made.commit("endless")
    pids = tmp_path / "pids"
    text = TARGET.replace("[host]", f'environment = {{ PIDS = "{pids}" }}\n[host]')
    with pytest.raises(InputError, match=r"not done after 3"):
        build(builder(made, tmp_path, text), Repository(made.path).commit("HEAD", "--candidate"), seconds=3)
    child = int(pids.read_text())
    ends = time.monotonic() + 10
    while Path(f"/proc/{child}/stat").exists() and time.monotonic() < ends:
        if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
            break  # dead; its parent was killed too, and whoever is init here may not reap
        time.sleep(0.01)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_a_missing_artifact_and_a_missing_toolchain_are_named(made: StoreRepository, tmp_path: Path) -> None:
    text = TARGET.replace('artifacts = ["store.pyz"]', 'artifacts = ["out/store"]')
    with pytest.raises(InputError, match="left no out/store"):
        build(builder(made, tmp_path, text), Repository(made.path).commit("HEAD", "--base"))
    text = TARGET.replace('["{python}", "--version"]', '["no-such-compiler-here", "-V"]')
    with pytest.raises(ToolchainError, match="no-such-compiler-here"):
        builder(made, tmp_path, text)


def test_what_does_not_exist_is_named_with_the_remedy(made: StoreRepository, tmp_path: Path) -> None:
    repository = Repository(made.path)
    with pytest.raises(InputError, match=r"--base origin/nowhere: .*git fetch origin nowhere"):
        repository.commit("origin/nowhere", "--base")
    with pytest.raises(InputError, match=r"--candidate --upload-pack=x: .* no such commit"):
        repository.commit("--upload-pack=x", "--candidate")
    with pytest.raises(InputError, match="not a git repository"):
        Repository(tmp_path)
    with pytest.raises(InputError, match="no such directory"):
        Repository(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no commit before it"):
        repository.default_base(repository.commit("HEAD", "--candidate"))


def test_a_shallow_clone_is_told_to_fetch_more(made: StoreRepository, tmp_path: Path) -> None:
    made.change("slower", "--slow", "recall=1.1")
    made.git("clone", "--quiet", "--depth", "1", f"file://{made.path}", str(tmp_path / "shallow"))
    repository = Repository(tmp_path / "shallow")
    with pytest.raises(InputError, match=r"shallow: fetch more"):
        repository.commit(made.first, "--base")
    with pytest.raises(InputError, match=r"shallow: fetch more"):
        repository.default_base(repository.commit("HEAD", "--candidate"))


def test_the_default_base_is_where_the_branch_left_main(made: StoreRepository) -> None:
    made.git("checkout", "--quiet", "-b", "topic")
    made.change("slower", "--slow", "recall=1.1")
    tip = made.change("slower", "--slow", "recall=1.2")
    made.git("checkout", "--quiet", "main")
    on_main = made.change("slower", "--slow", "recall=1.3")
    repository = Repository(made.path)
    assert repository.default_base(repository.commit("topic", "--candidate")).sha == made.first
    assert repository.default_base(repository.commit(on_main, "--candidate")).sha == made.first
    made.git("checkout", "--quiet", "--detach", tip)
    assert repository.default_base(repository.commit("HEAD", "--candidate")).sha == made.first


def test_a_hook_s_environment_does_not_lead_astray(
    made: StoreRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = StoreRepository(tmp_path / "other")
    other.change("another commit")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / ".git/index"))
    repository = Repository(made.path)
    assert repository.commit("HEAD", "--base").sha == made.first
    assert repository.path == made.path.resolve()


def test_the_builds_become_variants_of_a_target_that_an_agent_can_read(made: StoreRepository, tmp_path: Path) -> None:
    worker = builder(made, tmp_path)
    built = build(worker, Repository(made.path).commit("HEAD", "--base"))
    target, path = derive_target(load_target(tmp_path / "mystore.toml"), None, [built], tmp_path)
    assert target.variants == {built.label: ()}
    assert load_target(path).artifacts == {built.label: str(built.directory)}
    with pytest.raises(InputError, match="--variant 'fast'"):
        derive_target(load_target(tmp_path / "mystore.toml"), "fast", [built], tmp_path)


def test_an_artifact_of_somebody_else_is_taken_under_the_name_the_target_starts(tmp_path: Path) -> None:
    target = load_target(target_file(tmp_path))
    store = BuildStore(tmp_path / "builds")
    file = tmp_path / "store-v2.pyz"
    file.write_bytes(b"x")
    built = given_artifact(file, "--base-artifact", target, store)
    assert (built.directory / "store.pyz").read_bytes() == b"x"
    assert given_artifact(tmp_path, "--base-artifact", target, store).directory == tmp_path
    with pytest.raises(InputError, match=r"--base-artifact .*does not exist"):
        given_artifact(tmp_path / "nothing", "--base-artifact", target, store)


def test_the_store_stays_within_its_bounds_and_keeps_what_is_in_use(tmp_path: Path) -> None:
    store = BuildStore(tmp_path / "builds", most=2)
    file = tmp_path / "f"
    file.write_bytes(b"x")
    for number in range(4):
        store.keep(f"k{number}", {"f": file}, {})
    assert all(store.find(f"k{number}") for number in range(4))  # all used today
    for number in range(4):
        long_ago = time.time() - 3 * 24 * 3600 + number
        os.utime(tmp_path / f"builds/k{number}" / ABOUT, (long_ago, long_ago))
    store.keep("k4", {"f": file}, {})
    assert [bool(store.find(f"k{number}")) for number in range(5)] == [False, False, False, True, True]
    assert not [path.name for path in (tmp_path / "builds").iterdir() if path.name.startswith(".")]


async def test_who_waits_for_another_build_is_told_and_can_be_stopped(tmp_path: Path) -> None:
    first, second = BuildStore(tmp_path), BuildStore(tmp_path)
    waiting = asyncio.Event()

    async def wait() -> None:
        async with second.only_one("repository", waiting.set):
            raise AssertionError("the first one has it")

    async with first.only_one("repository", waiting.set):
        assert not waiting.is_set(), "nobody was before the first one"
        task = asyncio.ensure_future(wait())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with second.only_one("repository", lambda: pytest.fail("nobody has it any more")):
        pass
