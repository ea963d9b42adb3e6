"""A git repository with a store in it: the built-in one, behind a build of its own, as slow as the commit says."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull,
}  # fmt: skip

STORE = """
import sys
from perfgate.store.command import main

sys.exit(main([*sys.argv[1:], *{more}]))
"""
BUILD = """
import pathlib, sys, zipapp
source = pathlib.Path("source")
compile((source / "__main__.py").read_text(), "__main__.py", "exec")
zipapp.create_archive(source, "store.pyz")
print("built", sys.version_info[0])
"""
TARGET = """
name = "mystore"
adapter = "engram"

[options]
threshold = 0.0

[build]
steps = [["{python}", "build.py"]]
artifacts = ["store.pyz"]
toolchain = [["{python}", "--version"]]
timeout_seconds = 60

[host]
command = ["{python}", "{artifact}/store.pyz", "--port", "{port}", "--data-dir", "{data_dir}", "--dim", "{embedding_dim}"]
start_timeout_seconds = 30
"""


class StoreRepository:
    """In `path`, with a first commit on main."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.write("build.py", BUILD)
        self.write("source/__main__.py", STORE.format(more=[]))
        self.first = self.commit("a store")

    @classmethod
    def at(cls, path: Path) -> StoreRepository:
        """One that is there already: a copy."""
        self = cls.__new__(cls)
        self.path = path
        self.first = self.git("rev-parse", "HEAD")
        return self

    def write(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(textwrap.dedent(text))

    def commit(self, message: str) -> str:
        """Everything there is; its id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def change(self, message: str = "a change", *more: str) -> str:
        """A commit whose store is started with further arguments, such as `--slow`, `embedding_search=1.2`."""
        self.write("source/__main__.py", STORE.format(more=list(more)))
        return self.commit(message)

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.path), *words], capture_output=True, text=True, check=False,
            env={**os.environ, **IDENTITY},
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.strip()


def target_file(directory: Path, text: str = TARGET) -> Path:
    path = directory / "mystore.toml"
    path.write_text(text)
    return path
