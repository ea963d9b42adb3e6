"""Builds a commit as a target file says, or takes the build that is kept of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from perfgate.builds.git import Commit, Repository, clean_environment
from perfgate.builds.steps import BuildError, Workshop, run_steps
from perfgate.builds.store import BuildStore, Kept
from perfgate.errors import InputError
from perfgate.targets.model import BuildSpec, Target

TOOLCHAIN_S = 60.0
KEY_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Build:
    """What one arm starts. commit: None for an artifact that was given. directory: what {artifact} stands for. toolchain:
    what built it, a line a command. cached: it had been built before."""

    label: str
    described: str
    directory: Path
    commit: Commit | None = None
    toolchain: tuple[str, ...] = ()
    duration_ns: int = 0
    cached: bool = False


class Builder:
    """Builds commits of one repository for one target, one after the other at one place: what depends on the path, such
    as debug information, is the same in both builds. logs: where each build's output goes."""

    def __init__(self, target: Target, repository: Repository, store: BuildStore, logs: Path) -> None:
        if target.build is None:
            raise InputError(
                f"target {target.name!r} has no [build] table, so a commit cannot be built; add one, or give "
                "--base-artifact and --candidate-artifact"
            )
        self._spec: BuildSpec = target.build
        self._target = target
        self._repository = repository
        self._store = store
        self._logs = logs
        self._toolchain = _toolchain(self._spec)

    @property
    def timeout_ns(self) -> int:
        """What a build may take by the target file."""
        return self._spec.timeout_ns

    async def build(self, commit: Commit, timeout_ns: int, told: Callable[[str], None]) -> Build:
        """told: what is being done. Raises InputError where it cannot be built; see `run_steps`."""
        key = self._key(commit)
        began = time.monotonic_ns()
        if (kept := self._store.find(key)) is not None:
            told("kept from before")
            return self._done(commit, kept, began, cached=True)
        place_name = hashlib.sha256(str(self._repository.path).encode()).hexdigest()[:16]
        place = self._store.directory / "worktrees" / place_name
        async with self._store.only_one(place_name, lambda: told("waiting for another build")):
            if (kept := self._store.find(key)) is not None:
                return self._done(commit, kept, began, cached=True)
            with self._repository.worktree(commit, place) as source:
                cache = self._store.directory / "caches" / f"{self._target.name}-{place_name}"
                cache.mkdir(parents=True, exist_ok=True)
                workshop = Workshop(source, cache, self._logs / f"build-{commit.label}.log")
                spec = self._spec
                told(" ".join(spec.steps[0]) if len(spec.steps) == 1 else f"{len(spec.steps)} steps")
                await run_steps(spec.steps, spec.environment, spec.directory, workshop, timeout_ns, str(commit))
                kept = self._store.keep(key, self._artifacts(commit, source / spec.directory), self._about(commit))
        return self._done(commit, kept, began, cached=False)

    def _key(self, commit: Commit) -> str:
        """Commit, steps and toolchain: what a build depends on."""
        spec = self._spec
        parts = [
            commit.sha, spec.steps, spec.artifacts, spec.directory, sorted(spec.environment.items()), self._toolchain,
            self._target.name,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:KEY_LENGTH]

    def _artifacts(self, commit: Commit, place: Path) -> dict[str, Path]:
        found = {}
        for artifact in self._spec.artifacts:
            path = place / artifact
            if not path.exists():
                raise BuildError(
                    f"build of {commit}: its steps succeeded, but left no {artifact}; mend [build] artifacts or steps"
                )
            found[path.name] = path
        return found

    def _about(self, commit: Commit) -> dict[str, object]:
        return {
            "commit": commit.sha, "subject": commit.subject, "dirty": commit.dirty, "target": self._target.name,
            "steps": [list(step) for step in self._spec.steps], "toolchain": list(self._toolchain),
        }  # fmt: skip

    def _done(self, commit: Commit, kept: Kept, began_ns: int, cached: bool) -> Build:
        took = time.monotonic_ns() - began_ns
        return Build(commit.label, str(commit), kept.directory, commit, self._toolchain, took, cached)


def given_artifact(path: Path, option: str, target: Target, store: BuildStore) -> Build:
    """A build that somebody else made: a directory is taken as it is, a file is kept under the name that the target
    file's only artifact has. Raises InputError for a path that is not there."""
    if not path.exists():
        raise InputError(f"{option} {path}: does not exist; give the file or directory that {{artifact}} stands for")
    path = path.absolute()
    if path.is_dir():
        key = hashlib.sha256(f"{path} {path.stat().st_mtime_ns}".encode()).hexdigest()
        return Build(f"{path.name}-{key[:8]}", str(path), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    names = target.build.artifacts if target.build else ()
    name = Path(names[0]).name if len(names) == 1 else path.name
    key = hashlib.sha256(f"{digest} {name}".encode()).hexdigest()[:KEY_LENGTH]
    kept = store.find(key) or store.keep(key, {name: path}, {"artifact": str(path), "sha256": digest})
    return Build(f"{path.name}-{digest[:8]}", str(path), kept.directory)


def _toolchain(spec: BuildSpec) -> tuple[str, ...]:
    """What each command of [build] toolchain says, in one line. Raises InputError for one that cannot be run: without the
    toolchain nothing can be built."""
    lines = []
    for command in spec.toolchain:
        filled = [word.format_map({"python": _python(), "source": ".", "build_cache": "."}) for word in command]
        try:
            done = subprocess.run(
                filled, capture_output=True, text=True, timeout=TOOLCHAIN_S, check=False, env=clean_environment(),
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = getattr(error, "strerror", None) or error
            raise ToolchainError(
                f"toolchain: {command[0]}: {reason}; install what [build] toolchain asks for"
            ) from error
        if done.returncode:
            raise ToolchainError(f"toolchain: `{' '.join(command)}` ended with status {done.returncode}; see [build]")
        lines.append(" ".join((done.stdout or done.stderr).split()))
    return tuple(lines)


class ToolchainError(InputError):
    """This machine cannot build the target at all."""


def _python() -> str:
    import sys

    return sys.executable
