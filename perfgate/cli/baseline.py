"""`perfgate baseline`: which commits gates are compared with, and why."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.cli.parser import described

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate baseline refresh SCENARIO --target targets/mystore.toml --repo . --wait 2h    # weekly
  perfgate baseline                                                                     # which there are
  perfgate baseline show
  perfgate baseline log
  perfgate baseline pin SCENARIO v2.3 --target targets/mystore.toml --repo . --reason "the release"
  perfgate baseline pin SCENARIO main --target targets/mystore.toml --repo . --golden --reason "slower, and worth it"
  perfgate gate SCENARIO --target targets/mystore.toml --repo . --base @baseline

A baseline is a build, not a number: a commit that is built and measured again beside each candidate. The rolling one
follows the main branch, a week behind; the golden anchor stays where it is, and shows what creeps in by small steps."""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the verb `baseline` with its actions; without one it is `list`."""
    parser = described(subparsers, "baseline", "which commits gates are compared with, and why", EXAMPLE)
    _add_reading(parser, {"scenario": None, "target": None, "json": False, "history": None})
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=False)
    for action, (summary, epilog, add) in ACTIONS.items():
        add(described(actions, action, summary, epilog))


def _add_reading(parser: argparse.ArgumentParser, defaults: dict[str, object] | None = None) -> None:
    """defaults: None in actions, so that what was given before the action's name is kept."""
    values = defaults or dict.fromkeys(("scenario", "target", "json", "history"), argparse.SUPPRESS)
    add = parser.add_argument
    add("--scenario", default=values["scenario"], metavar="NAME", help="part of the scenario's name")
    add("--target", default=values["target"], metavar="NAME", help="the target's name")
    add("--json", action="store_true", default=values["json"], help="as JSON, for programs")
    _add_history(parser, values["history"])


def _add_history(parser: argparse.ArgumentParser, default: object = argparse.SUPPRESS) -> None:
    parser.add_argument(
        "--history", default=default, metavar="URL",
        help="a file, or postgresql://USER@HOST/DATABASE (default: $PERFGATE_HISTORY, or .perfgate/history.db)",
    )  # fmt: skip


def _add_series(parser: argparse.ArgumentParser, *more: str) -> None:
    parser.add_argument("scenario_file", type=Path, metavar="SCENARIO", help="the scenario file (TOML)")
    for name in more:
        parser.add_argument(name.lower(), metavar=name, help="a commit, branch or tag")
    parser.add_argument("--target", dest="target_file", type=Path, required=True, metavar="FILE",
                        help="the target file: the store (TOML)")  # fmt: skip
    _add_history(parser)


def _add_repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repo", type=Path, default=Path(), metavar="DIR", help="the git repository (default: here)")


def _add_pin(parser: argparse.ArgumentParser) -> None:
    _add_series(parser, "REF")
    _add_repository(parser)
    parser.add_argument(
        "--golden", action="store_true", help="the anchor that creep is measured from, not the baseline"
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why: kept, and shown beside it")


def _add_release(parser: argparse.ArgumentParser) -> None:
    _add_series(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why: kept in the log")


def _add_refresh(parser: argparse.ArgumentParser) -> None:
    _add_series(parser)
    _add_repository(parser)
    add = parser.add_argument
    add("--branch", default=None, metavar="REF",
        help="the main branch (default: the first of origin/HEAD, origin/main, origin/master, main, master)")  # fmt: skip
    add(
        "--policy", default=None, metavar="NAME|FILE", help="of the gates (default: the scenario's [gate], or standard)"
    )
    add("--anchor-margin", type=float, default=None, metavar="FRACTION",
        help="what all commits since the golden anchor may cost together (default: the policy's margin, 0.05)")  # fmt: skip
    add("--time-limit", default=None, metavar="TIME", help="of each gate, as 30m")
    add("--wait", default="0s", metavar="TIME",
        help="how long each gate queues while this host measures something else (default: 0s, refuse)")  # fmt: skip


ACTIONS = {
    "list": (
        "the baselines of each scenario and target",
        "examples:\n  perfgate baseline list\n  perfgate baseline list --json",
        _add_reading,
    ),
    "show": (
        "each baseline with what made it so",
        "examples:\n  perfgate baseline show\n  perfgate baseline show --scenario quick",
        _add_reading,
    ),
    "log": (
        "what was done with the baselines, why, and by whom; the oldest first",
        "examples:\n  perfgate baseline log\n  perfgate baseline log --target mystore --json",
        _add_reading,
    ),
    "pin": (
        "make a commit the baseline, which no refresh moves, or with --golden the anchor",
        'examples:\n  perfgate baseline pin scenarios/ci/quick.toml v2.3 --target targets/mystore.toml --reason "the release"\n'
        "  perfgate baseline pin scenarios/ci/quick.toml origin/main --target targets/mystore.toml --golden",
        _add_pin,
    ),
    "release": (
        "let refreshes move a pinned baseline again",
        "examples:\n  perfgate baseline release scenarios/ci/quick.toml --target targets/mystore.toml",
        _add_release,
    ),
    "refresh": (
        "move the rolling baseline to the newest commit of main that passed",
        "examples:\n  perfgate baseline refresh scenarios/ci/quick.toml --target targets/mystore.toml --repo . --wait 2h\n"
        "  perfgate baseline refresh scenarios/ci/quick.toml --target targets/mystore.toml --branch main\n\n"
        "It is gated against the old baseline and against the golden anchor, as far as that has not been done before.\n"
        "Without a baseline yet, both are set to the newest commit of main. It can be run again at any time.\n\n"
        "exit codes: 0 moved or nothing to do, 1 blocked or creep, 3 no evidence, bad input or failure, 4 undecided",
        _add_refresh,
    ),
}  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """0, or of a refresh what it came to. Raises InputError and HistoryError."""
    from perfgate.cli import baseline_actions
    from perfgate.cli.history import find_history

    location = find_history(arguments)
    action = getattr(baseline_actions, f"{arguments.action or 'list'}_baselines")
    return int(action(arguments, location))
