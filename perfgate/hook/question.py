"""What a push to a gated branch asks: which commit against which, by which files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from perfgate.builds.git import Commit, Repository
from perfgate.errors import InputError
from perfgate.hook.git import ask
from perfgate.hook.settings import Settings
from perfgate.hook.update import Update


@dataclass(frozen=True, slots=True)
class Question:
    """scenario, target: files. note: what must be said about the base; empty where it is what the remote has."""

    update: Update
    base: Commit
    candidate: Commit
    scenario: Path
    target: Path
    policy: str
    note: str

    @property
    def key(self) -> str:
        """The same for the same commits, files and policy."""
        digest = hashlib.sha256(f"{self.base.sha} {self.candidate.sha} {self.policy}".encode())
        for path in (self.scenario, self.target, Path(self.policy)):
            if path.is_file():
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:24]


def ask_question(repository: Repository, settings: Settings, update: Update, remote: str, spare: Path) -> Question:
    """spare: where files are laid that the worktree does not have. Raises InputError for what is nowhere."""
    candidate = repository.commit(update.local_sha, "the pushed commit")
    base, note = _base(repository, update, candidate, remote)
    return Question(
        update=update,
        base=base,
        candidate=candidate,
        scenario=_file(repository, "scenario", settings.scenario, candidate, spare),
        target=_file(repository, "target", settings.target, candidate, spare),
        policy=settings.policy,
        note=note,
    )


def _base(repository: Repository, update: Update, candidate: Commit, remote: str) -> tuple[Commit, str]:
    """What the remote has, where it has been fetched; else where the candidate left the remote's branch as it was known."""
    if ask(repository.path, "cat-file", "-e", f"{update.remote_sha}^{{commit}}") is not None:
        return repository.commit(update.remote_sha, "the remote's commit"), ""
    known = f"refs/remotes/{remote}/{update.branch}"
    gone = f"the remote's {update.branch} is at {update.remote_sha[:12]}, which has not been fetched"
    left = ask(repository.path, "merge-base", known, candidate.sha)
    if left is not None and left != candidate.sha:
        return repository.commit(left, "--base"), f"{gone}; compared with the last common commit that is known"
    base = repository.default_base(candidate)
    return base, f"{gone}; compared with {base.asked}"


def _file(repository: Repository, what: str, name: str, candidate: Commit, spare: Path) -> Path:
    """As it lies in the worktree; where another branch is checked out that does not have it, as the pushed commit has it."""
    path = repository.path / Path(name).expanduser()
    if path.is_file():
        return path
    text = ask(repository.path, "show", f"{candidate.sha}:{name}")
    if text is None:
        raise InputError(
            f"git config perfgate.{what}: neither this worktree nor {candidate.label} has {name}; name another file "
            f"(perfgate hook install --{what} FILE)"
        )
    spare.mkdir(parents=True, exist_ok=True)
    copy = spare / Path(name).name
    copy.write_text(text + "\n", encoding="utf-8")
    return copy
