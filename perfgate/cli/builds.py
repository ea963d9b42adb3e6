"""What `--repo`, `--base`, `--candidate` and the artifact options ask for, built and ready to be started."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfgate.errors import InputError
from perfgate.segment import Arm

if TYPE_CHECKING:
    from perfgate.builds.build import Build, Builder
    from perfgate.builds.git import Commit, Repository
    from perfgate.cli.common import Order
    from perfgate.progress import Progress
    from perfgate.run import RunRecord

OPTIONS = {Arm.BASE: "--base", Arm.CANDIDATE: "--candidate"}
WORKTREE = "WORKTREE"
NO_LIMIT_NS = 24 * 3600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Arms:
    """What a gate compares. builds: the variant of each arm, of `order.target`. facts: what they are, for the record.
    phases: how long each build took."""

    order: Order
    builds: dict[Arm, str]
    facts: Mapping[str, Any]
    phases: tuple[tuple[str, int], ...] = ()

    @property
    def spent_ns(self) -> int:
        """Of the clock, for both builds together; what was built before costs next to nothing."""
        return sum(duration for _, duration in self.phases)


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base", default=None, metavar="BUILD",
        help="what to compare with: a variant of the target file, or with --repo a commit, branch or tag (default with "
        "--repo: where the candidate left the main branch)",
    )  # fmt: skip
    parser.add_argument(
        "--candidate", default=None, metavar="BUILD",
        help="what wants to be merged: a variant, or with --repo a commit, branch, tag, or the directory of a worktree "
        "whose uncommitted changes count (default with --repo: HEAD)",
    )  # fmt: skip
    parser.add_argument(
        "--repo", type=Path, default=None, metavar="DIR",
        help="the git repository: both builds are made of its commits by the target file's [build]",
    )  # fmt: skip
    for arm in Arm:
        parser.add_argument(
            f"{OPTIONS[arm]}-artifact", type=Path, default=None, metavar="PATH",
            help=f"the {arm.name.lower()} as somebody else built it: what {{artifact}} in the target file stands for",
        )  # fmt: skip
    parser.add_argument(
        "--variant", default=None, metavar="VARIANT",
        help="of the target file: the arguments that both builds are started with (default: those of 'default')",
    )  # fmt: skip


def prepare_arms(arguments: argparse.Namespace, order: Order, limit_ns: int | None) -> Arms:
    """Variants as they are; commits and artifacts made ready. limit_ns: what the builds may take together. Raises
    InputError for whatever cannot be built, and names it."""
    artifacts = {arm: getattr(arguments, f"{arm.name.lower()}_artifact") for arm in Arm}
    asked = {arm: getattr(arguments, arm.name.lower()) for arm in Arm}
    if arguments.repo is None and not any(artifacts.values()):
        return _variants(asked, arguments.variant, order)
    if order.agents:
        raise InputError(
            "--agents: builds lie on this machine alone, and agents elsewhere cannot start them; leave --agents away, or "
            "name variants of the agents' own target files"
        )
    for arm in Arm:
        if artifacts[arm] is not None and asked[arm] is not None:
            raise InputError(f"{OPTIONS[arm]} and {OPTIONS[arm]}-artifact: give one of them")
        if artifacts[arm] is None and arguments.repo is None:
            raise InputError(f"{OPTIONS[arm]}: give --repo for a commit, or {OPTIONS[arm]}-artifact")
    return _built(arguments, order, artifacts, asked, NO_LIMIT_NS if limit_ns is None else limit_ns)


def with_builds(record: RunRecord, arms: Arms) -> RunRecord:
    """The record with what was built, and the time that took."""
    return dataclasses.replace(
        record,
        duration_ns=record.duration_ns + arms.spent_ns,
        phases=(*arms.phases, *record.phases),
        environment={**record.environment, **({"builds": arms.facts} if arms.facts else {})},
    )


def _variants(asked: Mapping[Arm, str | None], variant: str | None, order: Order) -> Arms:
    if variant is not None:
        raise InputError("--variant goes with --repo or artifacts; without them --base and --candidate are variants")
    builds = {}
    for arm, name in asked.items():
        if name is None:
            raise InputError(
                f"{OPTIONS[arm]} is missing: give a variant of {order.target_file}, or --repo to compare commits"
            )
        builds[arm] = order.variant(OPTIONS[arm], name)
    return Arms(order, builds, {})


def _built(
    arguments: argparse.Namespace, order: Order, artifacts: Mapping[Arm, Path | None], asked: Mapping[Arm, str | None],
    limit_ns: int,
) -> Arms:  # fmt: skip
    from perfgate_agent.command import default_cache_dir

    from perfgate.builds.build import Builder, given_artifact
    from perfgate.builds.derive import derive_target
    from perfgate.builds.git import Repository
    from perfgate.builds.store import BuildStore
    from perfgate.cli.common import run_until_signal
    from perfgate.report.live import make_progress

    store = BuildStore(default_cache_dir() / "builds")
    commits: dict[Arm, Commit] = {}
    builder = None
    if arguments.repo is not None:
        repository = Repository(arguments.repo)
        commits = _commits(repository, asked, artifacts, order)
        if commits:
            builder = Builder(order.target, repository, store, order.directory)
    with make_progress(sys.stderr) as progress:
        done = run_until_signal(_build_all(builder, commits, limit_ns, progress))
    given = {
        arm: given_artifact(path, f"{OPTIONS[arm]}-artifact", order.target, store)
        for arm, path in artifacts.items()
        if path is not None
    }
    builds = {**given, **done}
    target, path = derive_target(order.target, arguments.variant, list(builds.values()), order.directory)
    return Arms(
        order=dataclasses.replace(order, target=target, target_file=path),
        builds={arm: builds[arm].label for arm in Arm},
        facts={arm.name.lower(): build_facts(builds[arm]) for arm in Arm},
        phases=tuple((f"build {arm.name.lower()}", done[arm].duration_ns) for arm in Arm if arm in done),
    )


def _commits(
    repository: Repository, asked: Mapping[Arm, str | None], artifacts: Mapping[Arm, Path | None], order: Order
) -> dict[Arm, Commit]:
    """Of the arms that are not given as artifacts. The candidate first: the default base hangs on it."""
    commits: dict[Arm, Commit] = {}
    if artifacts[Arm.CANDIDATE] is None:
        name = asked[Arm.CANDIDATE] or "HEAD"
        commits[Arm.CANDIDATE] = _commit(repository, name, "--candidate", order)
    if artifacts[Arm.BASE] is None:
        given = asked[Arm.BASE]
        candidate = commits.get(Arm.CANDIDATE) or repository.commit("HEAD", "--base")
        commits[Arm.BASE] = (
            repository.default_base(candidate) if given is None else _commit(repository, given, "--base", order)
        )
    return commits


def _commit(repository: Repository, name: str, option: str, order: Order) -> Commit:
    """A commit's name, or a worktree's directory: `WORKTREE` is the repository's own. `@baseline` and `@golden` come before
    git's own names: refs/heads/@baseline would be a branch that is called so."""
    if name.startswith("@"):
        from perfgate.baseline.names import NAMES, commit_of
        from perfgate.history.baselines import Series

        if name in NAMES:
            sha = commit_of(name, option, order.history, Series(order.scenario.name, order.target.name))
            return dataclasses.replace(repository.commit(sha, option), asked=name)
    if name == WORKTREE:
        return repository.snapshot(repository.path, option)
    if (name in (".", "..") or "/" in name) and Path(name).is_dir():
        return repository.snapshot(Path(name), option)
    return repository.commit(name, option)


async def _build_all(
    builder: Builder | None, commits: Mapping[Arm, Commit], limit_ns: int, progress: Progress
) -> dict[Arm, Build]:
    """One after the other: two compilers at once would only share the processors."""
    from perfgate.progress import Note, PhaseStarted

    done: dict[Arm, Build] = {}
    if builder is None:
        return done
    ends_ns = time.monotonic_ns() + limit_ns
    shas = {commit.sha for commit in commits.values()}
    if len(commits) == 2 and len(shas) == 1:
        progress.handle(Note("base and candidate are the same commit: nothing but noise can be found"))
    for arm in sorted(commits):
        commit, name = commits[arm], f"build {arm.name.lower()}"

        def told(what: str, name: str = name, commit: Commit = commit) -> None:
            progress.handle(PhaseStarted(name, f"{commit}: {what}"))

        left = ends_ns - time.monotonic_ns()
        done[arm] = await builder.build(commit, min(builder.timeout_ns, max(1, left)), told)
    return done


def build_facts(build: Build) -> dict[str, Any]:
    """For the record, JSON-ready."""
    commit = build.commit
    facts: dict[str, Any] = {"label": build.label}
    if commit is not None:
        facts |= {"asked": commit.asked, "commit": commit.sha, "subject": commit.subject, "dirty": commit.dirty}
        facts |= {"toolchain": list(build.toolchain), "cached": build.cached, "build_ns": build.duration_ns}
    else:
        facts["artifact"] = build.described
    return facts
