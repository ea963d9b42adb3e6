"""The gates of a bisection: two commits built, and a few pairs of them measured."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.bisect.hunt import Measured, Spoilt, Unbuildable
from perfgate.bisect.reading import Reading
from perfgate.builds.build import Build, Builder
from perfgate.builds.steps import BuildError
from perfgate.errors import TargetError
from perfgate.gate.verdict import Word
from perfgate.progress import Event, PhaseStarted
from perfgate.segment import Arm

if TYPE_CHECKING:
    from perfgate_controller.fleet import Fleet

    from perfgate.bisect.lineage import Lineage
    from perfgate.bisect.search import Measure
    from perfgate.builds.git import Commit, Repository
    from perfgate.cli.common import Order
    from perfgate.gate.comparison import Comparison
    from perfgate.gate.policy import Policy
    from perfgate.progress import Progress
    from perfgate.run import RunRecord

LEAST_GATE_PAIRS = 2


class RealGates:
    """directory: gets one directory a gate. ends_ns: monotonic; a gate that has begun stops then with what it has."""

    def __init__(
        self, arguments: argparse.Namespace, policy: Policy, repository: Repository, lineage: Lineage, directory: Path,
        ends_ns: int | None,
    ) -> None:  # fmt: skip
        self._arguments = arguments
        self._policy = policy
        self._repository = repository
        self._lineage = lineage
        self._directory = directory
        self._ends_ns = ends_ns

    def measure(self, step: Measure) -> Measured | Unbuildable | Spoilt:
        """Raises InputError where this machine cannot build at all, KeyboardInterrupt for an interrupted gate."""
        from perfgate.cli.common import host_turn, open_order

        began_ns = time.monotonic_ns()
        asked = argparse.Namespace(**{**vars(self._arguments), "out": self._next_directory()})
        # Not in the history: these gates are too short for a verdict, and baselines and owed gates would go by one.
        order = dataclasses.replace(open_order(asked, "bisect"), history=None)
        builds: dict[Arm, Build] = {}
        with host_turn(asked, order):
            for arm, sha in ((Arm.BASE, step.base), (Arm.CANDIDATE, step.candidate)):
                try:
                    builds[arm] = self._build(order, sha)
                except BuildError as error:
                    return Unbuildable(sha, str(error).splitlines()[0])
            spent_ns, loading = time.monotonic_ns() - began_ns, _Loading()
            try:
                comparison = self._gate(order, builds, step, spent_ns, loading)
            except TargetError as error:
                guilty = step.base if loading.last == f"load {builds[Arm.BASE].label}" else step.candidate
                return Unbuildable(guilty, f"it builds, but cannot be measured: {error}")
        return _outcome(comparison, order.directory)

    def _next_directory(self) -> Path:
        taken = len(list(self._directory.glob("gate-*"))) if self._directory.exists() else 0
        return self._directory / f"gate-{taken + 1:03d}"

    def _build(self, order: Order, sha: str) -> Build:
        from perfgate_agent.command import default_cache_dir

        from perfgate.builds.store import BuildStore
        from perfgate.cli.common import run_until_signal
        from perfgate.report.live import make_progress

        store = BuildStore(default_cache_dir() / "builds")
        builder = Builder(order.target, self._repository, store, order.directory)
        commit = self._commit(sha)
        with make_progress(sys.stderr) as progress:

            def told(what: str) -> None:
                progress.handle(PhaseStarted("build", f"{commit}: {what}"))

            return run_until_signal(builder.build(commit, builder.timeout_ns, told))

    def _commit(self, sha: str) -> Commit:
        from perfgate.builds.git import Commit

        if sha == self._lineage.good:
            return self._repository.commit(sha, "GOOD")
        return Commit(sha, sha, self._lineage.links[self._lineage.place(sha)].subject)

    def _gate(
        self, order: Order, builds: dict[Arm, Build], step: Measure, spent_ns: int, loading: _Loading
    ) -> Comparison:
        from perfgate_controller.gate_loop import Gate, GateRequest

        from perfgate.builds.derive import derive_target
        from perfgate.cli.builds import Arms, build_facts, with_builds
        from perfgate.cli.calibrated import calibrated
        from perfgate.cli.common import finish, run_with_fleet

        target, path = derive_target(order.target, self._arguments.variant, list(builds.values()), order.directory)
        order = dataclasses.replace(order, target=target, target_file=path)
        names = {arm: build.label for arm, build in builds.items()}
        facts = {arm.name.lower(): build_facts(build) for arm, build in builds.items()}
        arms = Arms(order, names, facts, (("builds", spent_ns),))

        async def gate(fleet: Fleet, progress: Progress) -> tuple[RunRecord, Comparison]:
            environment = fleet.host.environment
            fitted, _ = calibrated(self._arguments, order.scenario, order.target.name, self._policy, environment)
            request = GateRequest(
                order.scenario,
                order.seed,
                order.target,
                names,
                short(fitted, step.pairs),
                order.directory,
                self._left_ns(),
            )
            return await Gate(request, fleet, loading.before(progress)).run()

        record, comparison = run_with_fleet(order, gate)
        finish(order, with_builds(record, arms), comparison)
        return comparison

    def _left_ns(self) -> int | None:
        return None if self._ends_ns is None else max(1, self._ends_ns - time.monotonic_ns())


class _Loading:
    """Hears which build is being loaded, so that one that does not start is known by name."""

    def __init__(self) -> None:
        self.last = ""
        self._then: Progress | None = None

    def before(self, then: Progress) -> _Loading:
        """Events go on to `then`."""
        self._then = then
        return self

    def handle(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self.last = event.name
        if self._then is not None:
            self._then.handle(event)


def short(policy: Policy, pairs: int) -> Policy:
    """The policy with one look after so many pairs. It never says PASS: so few pairs are no proof that a build is as fast,
    and the record must not look as if they were."""
    return dataclasses.replace(policy, looks=(pairs,), pass_from=pairs + 1, min_pairs=min(pairs, LEAST_GATE_PAIRS))


def _outcome(comparison: Comparison, directory: Path) -> Measured | Spoilt:
    reasons = comparison.verdict.reasons
    if any(reason.code == "interrupted" for reason in reasons):
        raise KeyboardInterrupt
    if comparison.verdict.word is Word.INVALID or not comparison.effects:
        return Spoilt(reasons[0].text if reasons else "nothing was measured")
    readings = {
        effect.name: Reading(effect.estimate, effect.se, effect.df, len(effect.per_pair))
        for effect in comparison.effects
    }
    return Measured({name: one for name, one in readings.items() if one.usable}, directory)
