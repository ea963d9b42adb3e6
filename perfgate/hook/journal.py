"""What became of each push to a gated branch: JSON lines in the repository's own git directory, only ever added to."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from perfgate.hook.git import common_directory
from perfgate.stored_form import make, parse, table_of

NAME = Path("perfgate") / "pushes.jsonl"
SKIPPED, NO_TOOLCHAIN = "skipped", "no toolchain"


@dataclass(frozen=True, slots=True)
class Push:
    """when: ISO 8601, UTC. outcome: a verdict's word, `skipped` or `no toolchain`. went: whether the push went on. key: of
    what was measured; the same key, the same question."""

    when: str
    who: str
    remote: str
    branch: str
    base: str
    candidate: str
    outcome: str
    went: bool
    reason: str = ""
    key: str = ""

    @property
    def ungated(self) -> bool:
        """It went on although nothing had shown it to be no slower."""
        return self.went and self.outcome != "PASS"


def journal_file(repository: Path) -> Path:
    """Shared by all worktrees, seen by no `git status`, left alone by `git clean`."""
    return common_directory(repository) / NAME


def append(path: Path, push: Push) -> None:
    """Raises OSError where it cannot be kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(asdict(push), separators=(",", ":")) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[Push]:
    """In order; lines that are none, and files that are not there, are passed over."""
    try:
        rows = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    names = {field.name for field in fields(Push)}
    pushes = []
    for row in rows:
        try:
            data = table_of(parse(row))
            pushes.append(make(Push, {name: value for name, value in data.items() if name in names}))
        except ValueError:
            continue
    return pushes
