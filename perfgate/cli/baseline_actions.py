"""What the actions of `perfgate baseline` do."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from perfgate.baseline.ledger import Ledger, present
from perfgate.baseline.question import Gate, Question, Rule
from perfgate.cli.run_place import RUNS, make_run_place
from perfgate.errors import InputError
from perfgate.history.baselines import BASELINE, GOLDEN, Baseline, Series, Step, read_baselines, read_steps
from perfgate.history.database import opened
from perfgate.history.location import Location
from perfgate.units import NS_PER_S


def list_baselines(arguments: argparse.Namespace, location: Location) -> int:
    found = _present(arguments, location)
    if arguments.json:
        return _print_json(found)
    if found:
        from perfgate.report.document import Column, Row, Table
        from perfgate.report.terminal import make_console, print_table

        columns = ("scenario", "target", "baseline", "since (UTC)", "kind", "subject")
        rows = [
            Row((one.scenario, one.target, one.commit_sha[:12], _day(one.since_wall_ns), one.kind, one.subject))
            for one in found
        ]
        print_table(Table(tuple(Column(name) for name in columns), tuple(rows)), make_console())
    return _none(found, location)


def show_baselines(arguments: argparse.Namespace, location: Location) -> int:
    found = _present(arguments, location)
    if arguments.json:
        return _print_json(found)
    for one in found:
        runs = [f"{what} {run[:8]}" for what, run in (("gate", one.run_id), ("anchor", one.anchor_run_id)) if run]
        print(
            f"{one.series}: {'golden anchor' if one.role == GOLDEN else 'baseline'} {one}\n"
            f"  {one.kind} since {_day(one.since_wall_ns)} by {one.who}; number {one.number}\n"
            f"  why: {one.why}" + (f"\n  runs: {', '.join(runs)}" if runs else "")
        )
    return _none(found, location)


def log_baselines(arguments: argparse.Namespace, location: Location) -> int:
    steps: list[Step] = []
    if _exists(location):
        with opened(location) as engine, engine.connect() as connection:
            steps = [one for one in read_steps(connection) if _wanted(one, arguments)]
    if arguments.json:
        return _print_json(steps)
    for one in steps:
        print(f"{_day(one.wall_ns)}  {one.scenario} on {one.target}, {one.who}\n  {one.text}")
    return _none(steps, location)


def pin_baselines(arguments: argparse.Namespace, location: Location) -> int:
    """No gate is asked: whoever pins a commit answers for it. Raises InputError for a target without [build]."""
    from perfgate.builds.git import Repository

    ledger, (_, target, _) = Ledger(location, _series(arguments)), _files(arguments)
    if target.build is None:
        raise InputError(f"{arguments.target_file}: has no [build], so no commit of it can be a baseline; add one")
    commit = Repository(arguments.repo).commit(arguments.ref, "REF")
    role, kind, what = (GOLDEN, "golden", "golden anchor") if arguments.golden else (BASELINE, "pinned", "baseline")
    before = present(ledger.baselines(), role)
    if before is not None and (before.commit_sha, before.kind) == (commit.sha, kind):
        print(f"nothing to do: {before} is the {what} already")
        return 0
    why = arguments.reason or "no reason was given"
    new = ledger.make(role, kind, commit, why, before)
    text = f"{what} pinned to {new}{f', before: {before}' if before else ''}: {why}"
    ledger.write("pinned", commit.sha, text, (new,))
    print(text)
    return 0


def release_baselines(arguments: argparse.Namespace, location: Location) -> int:
    from perfgate.builds.git import Commit

    ledger = Ledger(location, _series(arguments))
    before = present(ledger.baselines(), BASELINE)
    if before is None or before.kind != "pinned":
        print(f"nothing to do: {before or ledger.series} {'is not pinned' if before else 'has no baseline yet'}")
        return 0
    why = arguments.reason or "no reason was given"
    commit = Commit(before.commit_sha, before.commit_sha, before.subject)
    new = ledger.make(BASELINE, "rolling", commit, f"released: {why}", before)
    text = f"baseline {new} released, the next refresh may move it: {why}"
    ledger.write("released", commit.sha, text, (new,))
    print(text)
    return 0


def refresh_baselines(arguments: argparse.Namespace, location: Location) -> int:
    """Exit code: see perfgate.baseline.refresh.Done."""
    from perfgate.baseline.refresh import Refresh
    from perfgate.builds.git import Repository
    from perfgate.cli.common import parse_time

    scenario, target, policy = _files(arguments)
    parse_time(arguments.time_limit, "--time-limit")
    parse_time(arguments.wait, "--wait")
    if target.build is None:
        raise InputError(f"{arguments.target_file}: has no [build], so no commit of it can be built; add one")
    margin = policy.margin if arguments.anchor_margin is None else arguments.anchor_margin
    if not policy.margin <= margin < 1:
        raise InputError(
            f"--anchor-margin {margin}: must be a fraction from the policy's margin ({policy.margin:g}) up and below 1: all "
            "commits together may cost at least what one may"
        )
    repository = Repository(arguments.repo)
    refresh = Refresh(
        ledger=Ledger(location, Series(scenario.name, target.name)),
        repository=repository,
        branch=repository.main(arguments.branch, "--branch"),
        rule=Rule(scenario.digest, policy),
        anchor_margin=margin,
        gate=_gate(arguments, location),
        told=lambda text: print(f"perfgate: {text}", file=sys.stderr, flush=True),
    )
    done = refresh.run()
    print(f"{refresh.ledger.series}: {done.text}")
    return done.exit_code


def _gate(arguments: argparse.Namespace, location: Location) -> Gate:
    """`perfgate gate` with these files and options, recorded in this history."""

    def gate(question: Question) -> None:
        from perfgate.baseline.run_gate import run_gate

        words = [str(arguments.scenario_file), "--target", str(arguments.target_file), "--repo", str(arguments.repo)]
        words += ["--base", question.base, "--candidate", question.candidate, "--margin", f"{question.margin:g}"]
        words += ["--wait", arguments.wait]
        for option, value in (
            ("--policy", arguments.policy), ("--time-limit", arguments.time_limit), ("--history", arguments.history)
        ):  # fmt: skip
            words += [option, value] if value is not None else []
        run_gate(words, make_run_place(RUNS, f"refresh-{arguments.scenario_file.stem}"), location)

    return gate


def _files(arguments: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Scenario, target and policy."""
    from perfgate.gate.policy_choice import choose_policy
    from perfgate.scenario import load_scenario
    from perfgate.targets.load import load_target

    scenario = load_scenario(arguments.scenario_file)
    return (
        scenario, load_target(arguments.target_file),
        choose_policy(scenario.gate, getattr(arguments, "policy", None)),
    )  # fmt: skip


def _series(arguments: argparse.Namespace) -> Series:
    scenario, target, _ = _files(arguments)
    return Series(scenario.name, target.name)


def _present(arguments: argparse.Namespace, location: Location) -> list[Baseline]:
    """The present ones of each series, the baseline before its anchor."""
    if not _exists(location):
        return []
    with opened(location) as engine, engine.connect() as connection:
        found = [one for one in read_baselines(connection) if _wanted(one, arguments)]
    newest = {(one.scenario, one.target, one.role): one for one in found}
    return [newest[key] for key in sorted(newest)]


def _wanted(one: Baseline | Step, arguments: argparse.Namespace) -> bool:
    return (arguments.scenario or "").lower() in one.scenario.lower() and arguments.target in (None, one.target)


def _exists(location: Location) -> bool:
    return location.file is None or location.file.exists()


def _print_json(found: Sequence[Baseline | Step]) -> int:
    json.dump([dataclasses.asdict(one) for one in found], sys.stdout, indent=1, allow_nan=False)
    print()
    return 0


def _none(found: Sequence[object], location: Location) -> int:
    if not found:
        print(f"perfgate: no baseline in {location}; perfgate baseline refresh sets the first one", file=sys.stderr)
    return 0


def _day(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns / NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M")
