"""What a push changes: the lines that git gives a pre-push hook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perfgate.errors import InputError

BRANCHES = "refs/heads/"


@dataclass(frozen=True, slots=True)
class Update:
    """One ref of the remote, and what it is to become. A sha of zeros: the ref is not there, or is to go."""

    local_ref: str
    local_sha: str
    remote_ref: str
    remote_sha: str

    @property
    def branch(self) -> str | None:
        """The remote's branch; None for a tag or another kind of ref."""
        return self.remote_ref.removeprefix(BRANCHES) if self.remote_ref.startswith(BRANCHES) else None

    @property
    def deletes(self) -> bool:
        return _nothing(self.local_sha)

    @property
    def creates(self) -> bool:
        return _nothing(self.remote_sha)


def parse_updates(text: str) -> tuple[Update, ...]:
    """`<local ref> <local sha> <remote ref> <remote sha>`, a line an update (githooks(5)). Raises InputError for others."""
    updates = []
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) != 4:
            raise InputError(f"standard input: {line!r} is no update of a ref; only git calls perfgate hook pre-push")
        updates.append(Update(*words))
    return tuple(updates)


def updates_of(updates: Sequence[Update], branches: Sequence[str]) -> tuple[Update, ...]:
    """Those that give one of the branches another commit."""
    return tuple(
        update
        for update in updates
        if update.branch in branches and not update.deletes and update.local_sha != update.remote_sha
    )


def _nothing(sha: str) -> bool:
    return not sha.strip("0")
