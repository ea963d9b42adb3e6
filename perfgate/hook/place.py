"""The file `pre-push` in a repository's directory of hooks: put there, taken away, looked at."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from perfgate.errors import InputError
from perfgate.hook.git import ask, common_directory

NAME = "pre-push"
MARK = "# perfgate pre-push hook:"


@dataclass(frozen=True, slots=True)
class Place:
    """hook: where git looks for it. before: where one that was there before is kept. shared: other repositories use the
    same directory (core.hooksPath)."""

    hook: Path
    before: Path
    shared: bool

    @property
    def ours(self) -> bool:
        """Whether the hook that is there is perfgate's."""
        with contextlib.suppress(OSError):
            return MARK in self.hook.read_text(encoding="utf-8", errors="replace")
        return False

    @property
    def chained(self) -> bool:
        """Whether a hook was there before, which perfgate's runs first."""
        return self.before.is_symlink() or self.before.exists()


def find_place(repository: Path) -> Place:
    """Where git looks for hooks of the repository at this directory, core.hooksPath respected."""
    directory = repository / (ask(repository, "rev-parse", "--git-path", "hooks") or ".git/hooks")
    own = [repository.resolve(), common_directory(repository).resolve()]
    shared = not any(directory.resolve().is_relative_to(path) for path in own)
    return Place(directory / NAME, directory / f"{NAME}.before-perfgate", shared)


def install(place: Place) -> bool:
    """Put the hook there; one that is there already is kept beside it. Returns whether there was none of perfgate's.
    Raises InputError where it cannot be put there, and where doing so would lose or break a hook."""
    new = not place.ours
    there = place.hook.is_symlink() or place.hook.exists()
    if ".husky" in place.hook.parts:
        raise InputError(
            f"{place.hook.parent}: belongs to husky, whose hooks only work under their own names; add the line "
            '`perfgate hook pre-push "$@"` to .husky/pre-push instead'
        )
    if new and there and place.chained:
        raise InputError(
            f"{place.hook} is not perfgate's, and {place.before.name} lies beside it already; put into one file what of the "
            "two is needed, remove the other, and install again"
        )
    fresh = place.hook.with_name(f".{NAME}-{os.getpid()}")
    try:
        place.hook.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(source().read_bytes())
        fresh.chmod(0o755)
        if new and there:
            os.link(place.hook, place.before, follow_symlinks=False)  # so that there is never a moment without a hook
        fresh.replace(place.hook)
    except OSError as error:
        raise InputError(f"{place.hook}: {error.strerror}; make the directory writable") from error
    finally:
        fresh.unlink(missing_ok=True)
    return new


def uninstall(place: Place) -> bool:
    """Take the hook away and put back what was there before. Returns whether there was one of perfgate's. Raises
    InputError where it cannot be taken away."""
    if not place.ours:
        return False
    try:
        if place.chained:
            place.before.replace(place.hook)
        else:
            place.hook.unlink()
    except OSError as error:
        raise InputError(f"{place.hook}: {error.strerror}; make the directory writable") from error
    return True


def source() -> Path:
    """The hook as it is installed: packed beside this file, or in the checkout's scripts/hooks."""
    packed = Path(str(files("perfgate.hook") / NAME))
    return packed if packed.is_file() else Path(__file__).resolve().parents[2] / "scripts" / "hooks" / NAME
