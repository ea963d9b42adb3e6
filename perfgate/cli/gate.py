"""`perfgate gate`: compare two builds of a store and give a verdict."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate.cli.common import Order
    from perfgate.gate.comparison import Comparison
    from perfgate.gate.policy import Policy
    from perfgate.run import RunRecord

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate gate scenarios/ci/quick.toml --target targets/embedded.toml --base default --candidate slow_search
  perfgate gate scenarios/ci/fast_regression_check.toml --target targets/embedded.toml \\
      --base default --candidate default --time-limit 15m
  perfgate gate SCENARIO --target targets/mystore.toml --repo . --base origin/main --candidate HEAD
  perfgate gate SCENARIO --target targets/mystore.toml --repo . --candidate WORKTREE   (uncommitted changes, too)
  perfgate gate SCENARIO --target targets/mystore.toml --repo . --base @baseline   (or @golden; see perfgate baseline)
  perfgate gate --owed --time-limit 3h --wait 1h   (nightly: what ended undecided, with more pairs)

Both builds are started as fresh processes, pair after pair, and loaded in turn with the same requests in slices of a
quarter of a second, in random order. After some of the pairs the rule is asked: PASS, BLOCK, or go on.

Where perfgate calibrate has made a host profile for this scenario, its trim is used; a line says so.

exit codes: 0 PASS, 1 BLOCK (internal), 2 BLOCK (competitive), 3 INVALID, bad input or failure, 4 INCONCLUSIVE"""


def add_parser(subparsers: Subparsers) -> None:
    from perfgate.cli.builds import add_build_arguments
    from perfgate.cli.calibrated import add_profile_arguments
    from perfgate.cli.common import add_load_arguments

    parser = subparsers.add_parser(
        "gate",
        help="compare two builds of a store and give a verdict",
        description="Compare two builds of a store under a scenario's load and give a verdict.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_load_arguments(parser, required=False)
    add_build_arguments(parser)
    parser.add_argument(
        "--policy", default=None, metavar="NAME|FILE",
        help="standard: 5 %% margin; quick: for demos and hooks, sees less; or a TOML file of settings, see perfgate policy "
        "(default: the scenario's [gate], or standard)",
    )  # fmt: skip
    parser.add_argument(
        "--mode", choices=("alternation", "duet"), default=None,
        help="duet: both builds loaded at once; needs a profile by perfgate calibrate --mode duet (default: the "
        "scenario's [gate], or alternation)",
    )  # fmt: skip
    add_profile_arguments(parser)
    parser.add_argument(
        "--margin", type=float, default=None, metavar="FRACTION", help="0.05 is 5 %%; overrides the policy"
    )
    parser.add_argument(
        "--looks", default=None, metavar="N,…", help="pairs after which the rule is asked; overrides the policy"
    )
    parser.add_argument(
        "--owed", action="store_true",
        help="decide the gates of commits that ended INCONCLUSIVE, with more pairs, the newest first; SCENARIO and --target "
        "choose among them; the exit code is the worst of those decided",
    )  # fmt: skip
    parser.add_argument(
        "--time-limit", default=None, metavar="TIME", help="hard stop, as 90s, 15m, 1h; there is a verdict in any case"
    )
    parser.add_argument(
        "--evidence", default=None, metavar="FILE",
        help="where the verdict is counted for perfgate certify, or off (default: $PERFGATE_EVIDENCE, or "
        ".perfgate/evidence.jsonl)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Exit code of the verdict."""
    from perfgate.cli.common import host_turn, open_order, parse_time
    from perfgate.errors import InputError
    from perfgate.evidence.evidence_file import find_file
    from perfgate.gate.policy_choice import check_time, choose_policy

    if arguments.owed:
        from perfgate.cli.owed import run_owed

        return run_owed(arguments)
    if arguments.scenario is None or arguments.target is None:
        raise InputError(
            "SCENARIO and --target are needed; only --owed does without; perfgate gate --help has examples"
        )
    limit_ns = parse_time(arguments.time_limit, "--time-limit")
    evidence = find_file(arguments.evidence)
    order = open_order(arguments, "gate")
    asked = {"mode": arguments.mode, "margin": arguments.margin, "looks": parse_looks(arguments.looks)}
    overrides = {name: value for name, value in asked.items() if value is not None}
    policy = choose_policy(order.scenario.gate, arguments.policy, **overrides)
    check_time(policy, limit_ns)
    with host_turn(arguments, order):
        return _decide(arguments, order, policy, limit_ns, evidence)


def parse_looks(text: str | None) -> tuple[int, ...] | None:
    """`12,20,30`, as of `--looks`; None for None. Raises InputError for what are no numbers; whether they fit the
    policy is checked with it."""
    from perfgate.errors import InputError

    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--looks {text}: give numbers of pairs, as 12,20,30") from error


def _decide(
    arguments: argparse.Namespace, order: Order, policy: Policy, limit_ns: int | None, evidence: Path | None
) -> int:
    import dataclasses
    from datetime import UTC, datetime

    from perfgate_controller.fleet import Fleet
    from perfgate_controller.gate_loop import Gate, GateRequest

    from perfgate.calibration.duet import require_little_leak
    from perfgate.calibration.restarts import require_restarts
    from perfgate.cli.builds import prepare_arms, with_builds
    from perfgate.cli.calibrated import calibrated
    from perfgate.cli.common import finish, run_with_fleet
    from perfgate.cli.printing import print_gate
    from perfgate.evidence.gate_line import same_build
    from perfgate.progress import Note, Progress

    arms = prepare_arms(arguments, order, limit_ns)
    order = arms.order
    request = GateRequest(
        scenario=order.scenario,
        seed=order.seed,
        target=order.target,
        builds=arms.builds,
        policy=policy,
        directory=order.directory,
        time_limit_ns=None if limit_ns is None else max(1, limit_ns - arms.spent_ns),
    )

    async def gate(fleet: Fleet, progress: Progress) -> tuple[RunRecord, Comparison]:
        now = datetime.now(UTC)
        about = (order.scenario, order.target.name, policy, fleet.host.environment, now, arguments.profile)
        require_little_leak(*about)
        judged, choice = calibrated(arguments, order.scenario, order.target.name, policy, fleet.host.environment)
        restarts = require_restarts(judged, choice, tuple(order.scenario.weights))
        if choice.note:
            progress.handle(Note(choice.note))
        asked = dataclasses.replace(request, policy=judged, restarts=restarts)
        record, comparison = await Gate(asked, fleet, progress).run()
        known = {"calibration": choice.note} if choice.note else {}
        return dataclasses.replace(record, environment={**record.environment, **known}), comparison

    record, comparison = run_with_fleet(order, gate)
    record = finish(order, with_builds(record, arms), comparison)
    print_gate(record, comparison, order.directory)
    if evidence is not None:
        _keep(evidence, record, comparison, same_build(order.target, *arms.builds.values()))
    return comparison.verdict.exit_code


def _keep(path: Path, record: RunRecord, comparison: Comparison, aa: bool) -> None:
    """Count the verdict. Where that fails the verdict stands all the same, and a warning says so."""
    from perfgate.evidence.evidence_file import append
    from perfgate.evidence.gate_line import gate_line

    try:
        append(path, gate_line(record, comparison, aa))
    except OSError as error:
        text = f"this verdict is not counted: {path}: {error.strerror}; name another file with --evidence, or off"
        print(f"perfgate: warning: {text}", file=sys.stderr)
