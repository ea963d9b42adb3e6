"""What `git config perfgate.…` says about the hook."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import InputError
from perfgate.hook.git import ask

STOP, WARN = "stop", "warn"
USUAL_BRANCHES = ("main", "master")
KEYS = {
    "scenario": "", "target": "", "policy": "quick", "timeLimit": "5m", "wait": "1m", "onInvalid": STOP, "program": "",
}  # fmt: skip
"""Each key of `perfgate.…` with its default; beside them `perfgate.branch`, which may be given more than once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """scenario, target: as given, seen from the repository's directory. branches: empty where the remote's HEAD decides.
    invalid: what a measurement without a verdict does to the push, `stop` or `warn`."""

    scenario: str
    target: str
    policy: str
    time_limit: str
    wait: str
    invalid: str
    branches: tuple[str, ...]


def read_settings(repository: Path) -> Settings | None:
    """None where the hook was never set up for this repository. Raises InputError for values that mean nothing."""
    found = {key: ask(repository, "config", f"perfgate.{key}") or default for key, default in KEYS.items()}
    if not found["scenario"] and not found["target"]:
        return None
    for key in ("scenario", "target"):
        if not found[key]:
            raise InputError(f"git config perfgate.{key} is not set; give it (perfgate hook install --{key} FILE)")
    if found["onInvalid"] not in (STOP, WARN):
        raise InputError(f"git config perfgate.onInvalid is {found['onInvalid']!r}; give {STOP} or {WARN}")
    return Settings(
        scenario=found["scenario"],
        target=found["target"],
        policy=found["policy"],
        time_limit=found["timeLimit"],
        wait=found["wait"],
        invalid=found["onInvalid"],
        branches=tuple((ask(repository, "config", "--get-all", "perfgate.branch") or "").split()),
    )


def gated_branches(repository: Path, settings: Settings, remote: str) -> tuple[str, ...]:
    """Those that are set; else the one that the remote's HEAD names; else main and master."""
    if settings.branches:
        return settings.branches
    head = ask(repository, "symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD")
    return (head.removeprefix(f"refs/remotes/{remote}/"),) if head else USUAL_BRANCHES


def write_setting(repository: Path, key: str, value: str) -> None:
    """Raises InputError where git cannot keep it."""
    if ask(repository, "config", "--local", f"perfgate.{key}", value) is None:
        raise InputError(f"git config perfgate.{key} cannot be set; make the repository's .git/config writable")


def forget_settings(repository: Path) -> None:
    """All of them, the branches too."""
    ask(repository, "config", "--local", "--remove-section", "perfgate")
