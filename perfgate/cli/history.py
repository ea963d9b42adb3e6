"""`perfgate history`: what was measured and decided here before."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.cli.parser import described

if TYPE_CHECKING:
    from perfgate.history.location import Location

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate history                                       # the newest twenty
  perfgate history --verdict BLOCK --since 7d --json     # for programs
  perfgate history list --scenario "ci quick" --limit 100
  perfgate history --owed                                # what ended undecided
  perfgate history show last
  perfgate history show 3fa9c1 --format markdown         # also when the run's directory has gone
  perfgate history import .perfgate/runs/*               # what was not recorded, or recorded elsewhere
  perfgate history export --out history.jsonl
  perfgate history prune --older-than 180d --keep 50
  perfgate history upgrade --history postgresql://perfgate@db.example.com/perfgate

Every gate and run records itself at its end in .perfgate/history.db of the current directory (SQLite), or where --history
or $PERFGATE_HISTORY says: another file, postgresql://USER@HOST/DATABASE, or off. A run that could not be recorded is
complete in its directory all the same, and `perfgate history import DIR` adds it."""
FORMATS = ("terminal", "markdown", "json")


def add_parser(subparsers: Subparsers) -> None:
    """Adds the verb `history` with its actions; without one it is `list`."""
    parser = described(subparsers, "history", "what was measured and decided here before", EXAMPLE)
    _add_choice(parser, None)
    _add_list_options(parser, {"limit": None, "json": False, "owed": False})
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=False)
    for action, (summary, epilog, add) in ACTIONS.items():
        add(described(actions, action, summary, epilog))


def _add_choice(parser: argparse.ArgumentParser, default: str | None = argparse.SUPPRESS) -> None:
    """default: SUPPRESS in actions, so that what was given before the action's name is kept."""
    add = parser.add_argument
    add("--scenario", default=default, metavar="NAME", help="part of the scenario's name, or of its digest's beginning")
    add("--target", default=default, metavar="NAME", help="the target's name")
    add("--verdict", default=default, action="append", metavar="WORD",
        help="PASS, BLOCK, INCONCLUSIVE, INVALID; of runs DONE, LIMITS_MISSED, BROKEN_OFF; may be given again")  # fmt: skip
    add("--kind", default=default, metavar="KIND", help="gate or run")
    add("--host", default=default, metavar="NAME", help="where it was run, or one of its agents")
    add("--since", default=default, metavar="TIME", help="as 12h, 7d, 4w, or 2026-11-01 (UTC)")
    _add_place(parser, default)


def _add_place(parser: argparse.ArgumentParser, default: str | None = argparse.SUPPRESS) -> None:
    parser.add_argument(
        "--history", default=default, metavar="URL",
        help="a file, or postgresql://USER@HOST/DATABASE (default: $PERFGATE_HISTORY, or .perfgate/history.db)",
    )  # fmt: skip


def _add_list_options(parser: argparse.ArgumentParser, defaults: dict[str, object] | None = None) -> None:
    values = defaults or dict.fromkeys(("limit", "json", "owed"), argparse.SUPPRESS)
    parser.add_argument("--limit", type=int, default=values["limit"], metavar="N", help="the newest N (default: 20)")
    parser.add_argument("--json", action="store_true", default=values["json"], help="as a JSON list, for programs")
    parser.add_argument(
        "--owed", action="store_true", default=values["owed"],
        help="gates of commits that ended INCONCLUSIVE and have not been decided since; perfgate gate --owed decides them",
    )  # fmt: skip


def _add_list(parser: argparse.ArgumentParser) -> None:
    _add_choice(parser)
    _add_list_options(parser)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="ID", help="an id of the list, the beginning of one, or `last`")
    parser.add_argument("--format", choices=FORMATS, default="terminal", help="default: terminal")
    parser.add_argument("--exit-code", action="store_true", help="end with the gate's (or run's) exit code")
    _add_place(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_choice(parser)
    parser.add_argument("--limit", type=int, default=argparse.SUPPRESS, metavar="N", help="only the newest N")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="default: standard output")


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="a run's directory, an export, or - for one"
    )
    _add_place(parser)


def _add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--older-than", default=None, metavar="TIME", help="as 180d, 26w, or a date: 2026-06-01")
    parser.add_argument(
        "--keep", type=int, default=None, metavar="N", help="the newest N of each kind, scenario, target and host stay"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    _add_place(parser)


ACTIONS = {
    "list": (
        "which runs there are, the newest first",
        "examples:\n  perfgate history list --verdict BLOCK --since 7d\n  perfgate history list --json --limit 1000",
        _add_list,
    ),
    "show": (
        "one run's report again, from its directory or, where that has gone, from the history",
        "examples:\n  perfgate history show last\n  perfgate history show 3fa9c1 --format markdown > comment.md",
        _add_show,
    ),
    "export": (
        "runs and host profiles as JSON lines, whole",
        "examples:\n  perfgate history export --out history.jsonl\n"
        "  perfgate history export --since 30d | gzip > month.jsonl.gz\n\n"
        "Nothing is left out: perfgate history import makes the same history of it, in whatever database.",
        _add_export,
    ),
    "import": (
        "add runs from their directories, or from an export",
        "examples:\n  perfgate history import .perfgate/runs/*\n  perfgate history import history.jsonl\n"
        "  zcat month.jsonl.gz | perfgate history import -\n\n"
        "A run that is there already is not added again, so that anything may be imported twice. What cannot be read is\n"
        "named, the rest is added, and the exit code is 3.",
        _add_import,
    ),
    "prune": (
        "forget old runs",
        "examples:\n  perfgate history prune --older-than 180d\n"
        "  perfgate history prune --older-than 90d --keep 50 --dry-run\n\n"
        "With both options a run must be old and not among the newest. What a baseline refers to stays. The runs'\n"
        "directories are left alone.",
        _add_prune,
    ),
    "upgrade": (
        "bring the tables up to date, or make them",
        "examples:\n  perfgate history upgrade --history postgresql://perfgate@db.example.com/perfgate\n\n"
        "Once for a new PostgreSQL database, and after installing a perfgate with newer tables; older perfgates cannot\n"
        "use the database afterwards. A file of SQLite is upgraded by itself, whenever it is opened.",
        _add_place,
    ),
}  # fmt: skip


def find_history(arguments: argparse.Namespace) -> Location:
    """Raises InputError where it is off."""
    from perfgate.errors import InputError
    from perfgate.history.location import VARIABLE, find_location

    location = find_location(arguments.history)
    if location is None:
        raise InputError(f"the history is off (--history or ${VARIABLE}); give a file or an address with --history")
    return location


def run(arguments: argparse.Namespace) -> int:
    """0, or with `show --exit-code` what the gate or run ended with. Raises InputError and HistoryError."""
    from perfgate.cli import history_actions

    location = find_history(arguments)
    action = getattr(history_actions, f"{arguments.action or 'list'}_runs")
    return int(action(arguments, location))
