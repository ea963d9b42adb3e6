"""Short questions to git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from perfgate.builds.git import clean_environment


def ask(at: Path, *words: str) -> str | None:
    """What git says, without the last line's end; None where it fails."""
    done = subprocess.run(
        ["git", "-C", str(at), *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env={**clean_environment(), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}, errors="replace",
    )  # fmt: skip
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def common_directory(repository: Path) -> Path:
    """`.git`: what all worktrees of the repository share."""
    return repository / (ask(repository, "rev-parse", "--git-common-dir") or ".git")
