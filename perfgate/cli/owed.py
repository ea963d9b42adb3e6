"""`perfgate gate --owed`, and `perfgate history --owed`: gates that ended undecided."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from perfgate.cli.run_place import RUNS, make_run_place
from perfgate.errors import InputError

if TYPE_CHECKING:
    from perfgate.baseline.nightly import Asked
    from perfgate.baseline.owed import Debt
    from perfgate.history.location import Location

TAKEN = ("base", "candidate", "base_artifact", "candidate_artifact", "out", "looks", "policy", "margin", "mode", "seed",
         "variant")  # fmt: skip
"""Options that a debt brings itself."""
NO_LIMIT = "24h"
"""In place of the first gate's own time limit, which may be why it was not decided."""


def run_owed(arguments: argparse.Namespace) -> int:
    """The worst exit code of the gates that were decided; 0 where nothing is owed."""
    from perfgate.baseline.nightly import decide_all
    from perfgate.cli.common import parse_time
    from perfgate.cli.history import find_history
    from perfgate.units import NS_PER_S

    _refuse(arguments)
    limit_ns = parse_time(arguments.time_limit, "--time-limit")
    location = find_history(arguments)
    found = read_debts(location, *_series(arguments))
    ready = [one for one in (_ready(debt, arguments) for debt in found) if one is not None]
    if not ready:
        print("nothing is owed" if not found else f"{len(found)} owed, none of which can be decided here", flush=True)

    def decide(one: Asked, left_ns: int | None) -> int:
        from perfgate.baseline.run_gate import run_gate
        from perfgate.report.words import exit_code

        limit = NO_LIMIT if left_ns is None else f"{left_ns / NS_PER_S:.0f}s"
        words = [*one.words, "--looks", ",".join(map(str, one.looks)), "--time-limit", limit]
        entry = run_gate(words, make_run_place(RUNS, f"owed-{one.debt.first.id[:8]}"), location)
        return 3 if entry is None else exit_code(*entry.decoded())

    return decide_all(ready, limit_ns, decide, lambda text: print(text, flush=True))


def read_debts(location: Location, scenario: str = "", target: str = "") -> list[Debt]:
    """The newest first. scenario: its name, or its digest's beginning; empty: all."""
    from perfgate.baseline.owed import debts
    from perfgate.history.choice import Choice
    from perfgate.history.database import opened
    from perfgate.history.reader import summaries

    if location.file is not None and not location.file.exists():
        return []
    with opened(location) as engine, engine.connect() as connection:
        return debts(summaries(connection, Choice(kind="gate", scenario=scenario, target=target)))


def list_owed(found: Sequence[Debt], as_json: bool) -> None:
    """As a table, or as JSON."""
    if as_json:
        json.dump([debt.to_json() for debt in found], sys.stdout, indent=1, allow_nan=False)
        print()
        return
    if not found:
        print("perfgate: nothing is owed", file=sys.stderr)
        return
    from perfgate.baseline.question import shown
    from perfgate.report.document import Column, Row, Table
    from perfgate.report.terminal import make_console, print_table

    columns = ("since (UTC)", "scenario", "target", "base", "candidate", "change", "margin", "tries", "last run")
    rows = [
        Row((
            debt.first.started.strftime("%Y-%m-%d %H:%M"), debt.first.scenario, debt.first.target,
            str(debt.first.base_commit)[:12], str(debt.first.candidate_commit)[:12], shown(debt.last),
            f"{100 * (debt.first.margin or 0):g} %", str(debt.tries), debt.last.id[:8],
        ))
        for debt in found
    ]  # fmt: skip
    print_table(Table(tuple(Column(name) for name in columns), tuple(rows)), make_console())


def _refuse(arguments: argparse.Namespace) -> None:
    for name in TAKEN:
        if getattr(arguments, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} does not go with --owed: a debt has its own builds and policy; leave it out")
    if arguments.agents or arguments.fleet:
        raise InputError("--agents does not go with --owed: builds lie on this machine alone; leave it out")


def _series(arguments: argparse.Namespace) -> tuple[str, str]:
    """What is asked for by SCENARIO and --target: digest and name; empty: whatever is owed."""
    from perfgate.scenario import load_scenario
    from perfgate.targets.load import load_target

    scenario = "" if arguments.scenario is None else load_scenario(arguments.scenario).digest
    return scenario, "" if arguments.target is None else load_target(arguments.target).name


def _ready(debt: Debt, arguments: argparse.Namespace) -> Asked | None:
    """How to ask again; None where that cannot be done, with a sentence on standard error."""
    from perfgate.baseline.owed import MOST_TRIES
    from perfgate.cli.printing import warn

    name = f"{str(debt.first.base_commit)[:12]} → {str(debt.first.candidate_commit)[:12]}"
    try:
        if debt.tries >= MOST_TRIES:
            raise InputError(
                f"tried {debt.tries} times already; stays owed: its change lies too near the margin to be told"
            )
        return _asked(debt, arguments)
    except InputError as error:
        warn(f"{name}: {error}")
        return None


def _asked(debt: Debt, arguments: argparse.Namespace) -> Asked:
    """From the command of the first gate: its files and options, but for what changes."""
    from perfgate.baseline.nightly import Asked
    from perfgate.gate.policy_choice import choose_policy
    from perfgate.scenario import load_scenario

    first, words = debt.first, shlex.split(debt.first.command)
    parsed = _parse(words)
    path = arguments.scenario or parsed.scenario
    if path is None or parsed.target is None:
        raise InputError(f"its command is not known ({first.command}); gate it anew")
    scenario = load_scenario(path)
    if scenario.digest != first.scenario_digest:
        raise InputError(f"{path} has changed since; gate anew what is wanted")
    repo = arguments.repo or parsed.repo
    if repo is None:
        raise InputError("its command has no --repo; give --repo DIR")
    asked = {"mode": parsed.mode, "margin": parsed.margin}
    policy = choose_policy(
        scenario.gate, parsed.policy, **{name: value for name, value in asked.items() if value is not None}
    )
    again = [str(path) if word == str(parsed.scenario) else word for word in words[2:]]
    again += ["--target", str(arguments.target or parsed.target), "--repo", str(repo), "--wait", arguments.wait]
    again += ["--base", str(first.base_commit), "--candidate", str(first.candidate_commit)]
    again += ["--seed", str(first.seed + debt.tries + 1)]  # requests of its own: a new gate, not the same one once more
    for option, value in (("--history", arguments.history), ("--evidence", arguments.evidence)):
        again += [option, value] if value is not None else []
    return Asked(debt, policy, tuple(again))


def _parse(words: Sequence[str]) -> argparse.Namespace:
    from perfgate.cli.main import build_parser

    if list(words[:2]) != ["perfgate", "gate"]:
        raise InputError(f"its command is not known ({shlex.join(words) or 'none'}); gate it anew")
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return build_parser("gate").parse_args(list(words[1:]))
    except SystemExit as error:
        raise InputError(
            f"its command is not understood by this perfgate: {shlex.join(words)}; gate it anew"
        ) from error
