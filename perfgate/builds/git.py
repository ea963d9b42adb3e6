"""The few things that are asked of git, by its command line."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import InputError

MAINS = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
"""Where the default base is looked for, the first that exists."""
OWN_FILES = ".perfgate"
IDENTITY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "perfgate"), ("EMAIL", "perfgate@localhost"), ("DATE", "2000-01-01T00:00:00+0000"))
}
"""Of the commit that stands for uncommitted changes: the same changes, the same commit."""


@dataclass(frozen=True, slots=True)
class Commit:
    """asked: as the user named it. dirty: it stands for a worktree with uncommitted changes."""

    asked: str
    sha: str
    subject: str
    dirty: bool = False

    @property
    def label(self) -> str:
        """`1a2b3c4d5e6f`, or with `-dirty` for uncommitted changes."""
        return self.sha[:12] + ("-dirty" if self.dirty else "")

    def __str__(self) -> str:
        same = self.sha.startswith(self.asked)
        return f"{self.label} ({self.subject})" if same else f"{self.asked} = {self.label} ({self.subject})"


class Repository:
    """The git repository that holds `path`. Raises InputError where there is none, or no git."""

    def __init__(self, path: Path) -> None:
        if shutil.which("git") is None:
            raise InputError("git is not installed; install it, or give --base-artifact and --candidate-artifact")
        if not path.is_dir():
            raise InputError(f"--repo {path}: no such directory; give the repository's directory")
        done = self._run(["rev-parse", "--show-toplevel"], path)
        if done.returncode:
            raise InputError(f"--repo {path}: not a git repository ({_last(done.stderr)}); give its directory")
        self.path = Path(done.stdout.strip())

    def commit(self, asked: str, option: str) -> Commit:
        """What a branch, tag or commit id stands for. Raises InputError naming `option` where it stands for nothing."""
        done = self._git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{asked}^{{commit}}"])
        if done.returncode:
            raise InputError(
                f"{option} {asked}: {self.path.name} has no such commit, branch or tag; {self._remedy(asked)}"
            )
        sha = done.stdout.strip()
        subject = self._ask(["log", "-1", "--format=%s", sha])
        return Commit(asked, sha, subject)

    def snapshot(self, worktree: Path, option: str) -> Commit:
        """The worktree at `worktree` as it is, uncommitted and new files included, as a commit that no branch holds.
        Raises InputError where it is none of this repository's or has nothing committed yet."""
        done = self._run(["rev-parse", "--show-toplevel"], worktree)
        if done.returncode:
            raise InputError(
                f"{option} {worktree}: not a git worktree; give a commit, a branch or a worktree's directory"
            )
        top = Path(done.stdout.strip())
        with tempfile.TemporaryDirectory() as directory:
            index = {"GIT_INDEX_FILE": str(Path(directory) / "index"), **IDENTITY}
            head = self._ask(["rev-parse", "--verify", "HEAD"], top)
            self._ask(["read-tree", "HEAD"], top, index)
            self._ask(["add", "--all", *self._but_own_files(top)], top, index)
            tree = self._ask(["write-tree"], top, index)
            if tree == self._ask(["rev-parse", "HEAD^{tree}"], top):
                return Commit(option.lstrip("-"), head, self._ask(["log", "-1", "--format=%s", head]))
            words = ["commit-tree", tree, "-p", head, "-m", "uncommitted changes"]
            sha = self._ask(words, top, index)
        subject = self._ask(["log", "-1", "--format=%s", head])
        return Commit(str(worktree), sha, f"uncommitted changes on {head[:12]} {subject}", dirty=True)

    def default_base(self, candidate: Commit) -> Commit:
        """Where the candidate left the main branch; its first parent where it is on it. Raises InputError where there is
        neither."""
        for main in MAINS:
            found = self._git(["merge-base", main, candidate.sha])
            if found.returncode == 0 and found.stdout.strip() != candidate.sha:
                sha = found.stdout.strip()
                return Commit(f"merge-base with {main}", sha, self._ask(["log", "-1", "--format=%s", sha]))
        parent = self._git(["rev-parse", "--verify", "--quiet", f"{candidate.sha}^"])
        if parent.returncode:
            raise InputError(
                f"--base: {candidate.label} has no commit before it to compare with; {self._remedy('its parent')}"
            )
        sha = parent.stdout.strip()
        return Commit("the commit before", sha, self._ask(["log", "-1", "--format=%s", sha]))

    def main(self, asked: str | None, option: str) -> Commit:
        """The newest commit of the main branch: of the one that is named, else the first of MAINS. Raises InputError."""
        if asked is not None:
            return self.commit(asked, option)
        for main in MAINS:
            if self._git(["rev-parse", "--verify", "--quiet", f"{main}^{{commit}}"]).returncode == 0:
                return self.commit(main, option)
        raise InputError(f"{option}: {self.path.name} has none of {', '.join(MAINS)}; name its main branch")

    def since(self, newest: Commit, known: str) -> list[Commit]:
        """What was committed or merged to the branch of `newest` after the commit `known`, the newest first; of a merge
        the merge alone, not what was merged. Raises InputError where `known` is not there."""
        self.commit(known, "the baseline")
        words = ["log", "--first-parent", "--format=%H %s", newest.sha, "--not", known]
        return self._commits(words)

    def before(self, newest: Commit, most: int) -> list[Commit]:
        """The commits of the branch before its newest one, the newest first."""
        return self._commits(["log", "--first-parent", "--format=%H %s", "--skip=1", f"--max-count={most}", newest.sha])

    def _commits(self, words: Sequence[str]) -> list[Commit]:
        lines = [line.partition(" ") for line in self._ask(words).splitlines()]
        return [Commit(sha, sha, subject) for sha, _, subject in lines]

    def holds(self, branch: Commit, sha: str) -> bool:
        """Whether `sha` is the branch's newest commit or one before it."""
        return self._git(["merge-base", "--is-ancestor", sha, branch.sha]).returncode == 0

    def lines_between(self, good: Commit, bad: Commit, first_parent: bool) -> list[list[str]]:
        """The commits after `good` up to `bad`, parents first, each [id, parents, author, author's date, subject]: those
        that lie on a way from one to the other, or on the chain of first parents. Raises InputError where `good` is no
        ancestor of `bad`."""
        if self._git(["merge-base", "--is-ancestor", good.sha, bad.sha]).returncode:
            raise InputError(
                f"{good} is no ancestor of {bad}: what lies between them is no history of one; give as GOOD a commit that "
                f"BAD contains, such as git merge-base {good.label} {bad.label}"
            )
        way = "--first-parent" if first_parent else "--ancestry-path"
        form = "--format=%H%x00%P%x00%an%x00%aI%x00%s"
        words = ["log", "--topo-order", "--reverse", way, form, f"{good.sha}..{bad.sha}"]
        return [line.split("\0") for line in self._ask(words).splitlines()]

    @contextlib.contextmanager
    def worktree(self, commit: Commit, place: Path) -> Iterator[Path]:
        """A checkout of the commit at `place`, gone afterwards. What a killed process left there is removed first. Raises
        InputError where git cannot make it."""
        self._forget(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            done = self._git(
                ["-c", "core.hooksPath=/dev/null", "worktree", "add", "--force", "--detach", str(place), commit.sha]
            )
            if done.returncode == 0 and (place / ".gitmodules").exists():
                done = self._run(["submodule", "update", "--init", "--recursive"], place)
            if done.returncode:
                raise InputError(f"{commit.label}: git cannot check it out: {_last(done.stderr)}")
            yield place
        finally:
            self._forget(place)

    def _forget(self, place: Path) -> None:
        shutil.rmtree(place, ignore_errors=True)
        self._git(["worktree", "prune"])

    def _but_own_files(self, top: Path) -> list[str]:
        """What perfgate itself leaves in a worktree is no change of it. Git refuses to leave out what it ignores anyway."""
        ignored = self._run(["check-ignore", "--quiet", OWN_FILES], top).returncode == 0
        return [] if ignored else ["--", ".", f":(exclude){OWN_FILES}"]

    def _remedy(self, asked: str) -> str:
        if self._git(["rev-parse", "--is-shallow-repository"]).stdout.strip() == "true":
            return "the clone is shallow: fetch more (git fetch --unshallow; fetch-depth: 0 in a CI)"
        name = asked.removeprefix("origin/")
        if name != asked:
            return f"fetch it first (git fetch origin {name})"
        return "see git branch --all"

    def _ask(self, words: Sequence[str], at: Path | None = None, more: Mapping[str, str] | None = None) -> str:
        done = self._run(words, at or self.path, more)
        if done.returncode:
            raise InputError(f"git {words[0]} in {at or self.path} failed: {_last(done.stderr)}")
        return done.stdout.strip()

    def _git(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return self._run(words, self.path)

    def _run(
        self, words: Sequence[str], at: Path, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {**clean_environment(), **(more or {}), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        return subprocess.run(
            ["git", "-C", str(at), *words], capture_output=True, text=True, check=False, env=environment,
            stdin=subprocess.DEVNULL, errors="replace",
        )  # fmt: skip


def clean_environment() -> dict[str, str]:
    """Without what a git hook sets for its own repository: it would point git, and builds that call git, elsewhere."""
    return {key: value for key, value in os.environ.items() if key not in LOCAL_VARIABLES}


LOCAL_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_CONFIG_COUNT",
        "GIT_OBJECT_DIRECTORY",
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_REPLACE_REF_BASE",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_COMMON_DIR",
        "GIT_QUARANTINE_PATH",
        "GIT_INTERNAL_SUPER_PREFIX",
    }
)
"""What `git rev-parse --local-env-vars` lists, and the quarantine of a receiving repository."""


def _last(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else "git said nothing"
