"""What the actions of `perfgate history` do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from perfgate.cli.printing import warn
from perfgate.errors import InputError
from perfgate.history.choice import Choice, parse_moment
from perfgate.history.database import connected, opened
from perfgate.history.location import Location
from perfgate.whole_file import write_whole

MOST = 10**9


def list_runs(arguments: argparse.Namespace, location: Location) -> int:
    from perfgate.history.reader import summaries

    if arguments.owed:
        from perfgate.cli.owed import list_owed, read_debts

        list_owed(read_debts(location, arguments.scenario or "", arguments.target or ""), arguments.json)
        return 0
    choice = _choice(arguments, 20 if arguments.limit is None else arguments.limit)
    found = []
    if _exists(location):
        with opened(location) as engine, engine.connect() as connection:
            found = summaries(connection, choice)
    if arguments.json:
        json.dump([one.to_json() for one in found], sys.stdout, indent=1, allow_nan=False)
        print()
    elif found:
        from perfgate.cli.history_table import runs_table
        from perfgate.report.terminal import make_console, print_table

        print_table(runs_table(found), make_console())
        if choice.limit == len(found):
            print(f"\n  the newest {choice.limit}; more with --limit", file=sys.stderr)
    else:
        print(f"perfgate: no such run in {location}" if _exists(location) else f"perfgate: nothing recorded yet in {location}",
              file=sys.stderr)  # fmt: skip
    return 0


def show_runs(arguments: argparse.Namespace, location: Location) -> int:
    """The run's own exit code with `--exit-code`, otherwise 0."""
    from perfgate.cli.report import show
    from perfgate.history.reader import find_id, read_entry
    from perfgate.report.words import exit_code

    with _existing(location) as engine, engine.connect() as connection:
        entry = read_entry(connection, find_id(connection, arguments.run))
    record, comparison = entry.decoded()
    show(arguments.format, record, comparison, entry.local_directory)
    return exit_code(record, comparison) if arguments.exit_code else 0


def export_runs(arguments: argparse.Namespace, location: Location) -> int:
    from perfgate.history.transfer import export_lines

    choice = _choice(arguments, arguments.limit)
    with _existing(location) as engine:
        lines = export_lines(engine, choice)
        if arguments.out is None:
            sys.stdout.writelines(lines)
        else:
            _write(arguments.out, lines)
    return 0


def import_runs(arguments: argparse.Namespace, location: Location) -> int:
    """Exit code 3 where a file was refused; the others are imported all the same."""
    from perfgate.history.transfer import Imported, import_lines, import_path

    total, refused = Imported(), 0
    with opened(location) as engine:
        for path in arguments.paths:
            try:
                if str(path) == "-":
                    total += import_lines(engine, sys.stdin, "standard input")
                else:
                    total += import_path(engine, path)
            except InputError as error:
                refused += 1
                warn(str(error))
    print(f"{total.added} added, {total.present} there already, {refused} refused: {location}")
    return 3 if refused else 0


def prune_runs(arguments: argparse.Namespace, location: Location) -> int:
    from perfgate.history.prune import prune

    if arguments.older_than is None and arguments.keep is None:
        raise InputError("prune: give --older-than, --keep, or both; without them nothing would be left")
    if arguments.keep is not None and arguments.keep < 0:
        raise InputError(f"--keep {arguments.keep}: give 0 or more")
    older = arguments.older_than and parse_moment(arguments.older_than, "--older-than", datetime.now(UTC))
    with _existing(location) as engine:
        done = prune(engine, older, arguments.keep, only_look=arguments.dry_run)
    held = f", {done.held} kept because something refers to them" if done.held else ""
    print(f"{len(done.removed)} {'would go' if arguments.dry_run else 'removed'}{held}, {done.left} left: {location}")
    return 0


def upgrade_runs(arguments: argparse.Namespace, location: Location) -> int:
    from perfgate.history.upgrade import upgrade

    with connected(location) as engine:
        before, now = upgrade(engine, location)
    what = "is up to date" if before == now else f"upgraded from {before}" if before else "made"
    print(f"{location}: {what}, version {now}")
    return 0


def _choice(arguments: argparse.Namespace, limit: int | None) -> Choice:
    if limit is not None and not 1 <= limit <= MOST:
        raise InputError(f"--limit {limit}: give 1 to {MOST}")
    since = arguments.since and parse_moment(arguments.since, "--since", datetime.now(UTC))
    return Choice(
        arguments.scenario or "", arguments.target or "", tuple(arguments.verdict or ()), arguments.kind or "",
        arguments.host or "", since, limit,
    )  # fmt: skip


def _exists(location: Location) -> bool:
    """Whoever only reads makes no file."""
    return location.file is None or location.file.exists()


@contextmanager
def _existing(location: Location) -> Iterator[Engine]:
    if not _exists(location):
        raise InputError(f"{location}: nothing is recorded there yet; perfgate history import DIR adds runs")
    with opened(location) as engine:
        yield engine


def _write(path: Path, lines: Iterator[str]) -> None:
    try:
        write_whole(path, lines)
    except OSError as error:
        raise InputError(f"--out {path}: {error.strerror}; give a file that can be written") from error
