"""`perfgate policy`: show what a gate decides by, where each value comes from and why it is so."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfgate.gate.policy_table import PolicyLine

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate policy                       # the standard policy
  perfgate policy quick
  perfgate policy nightly.toml          # a policy file: the keys of [gate], perhaps beginning with policy = "quick"
  perfgate policy scenarios/ci/quick.toml --json    # what the scenario's [gate] makes

`perfgate gate SCENARIO --policy nightly.toml` decides by such a file, whatever the scenario's [gate] says. A policy that
cannot work is refused here as it is there, with what to change: exit code 3."""
WIDTH = 120


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "policy",
        help="show a policy: each value, where it comes from and why it is so",
        description="Show what a gate decides by: each value, where it comes from and why it is so.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "policy", nargs="?", default="standard", metavar="NAME|FILE",
        help="standard, quick, a policy file or a scenario (default: standard)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """0 for a policy that can work. Raises InputError for one that cannot."""
    import dataclasses
    import json

    from perfgate.errors import InputError
    from perfgate.gate.policy_choice import policy_settings
    from perfgate.gate.policy_table import policy_lines

    settings, name = policy_settings({}, arguments.policy)
    try:
        lines = policy_lines(settings, name, "file")
    except InputError as error:
        raise InputError(f"{arguments.policy}: {str(error).removeprefix('gate: ')}") from None
    if arguments.json:
        print(json.dumps([dataclasses.asdict(line) for line in lines], indent=1))
        return 0
    if name is None:
        print(f"{arguments.policy}, on top of the {settings.get('policy', 'standard')} policy\n")
    print("\n".join(map(_row, lines)))
    return 0


def _row(line: PolicyLine) -> str:
    head = f"{line.key + ' = ' + _toml(line.value):<38}  {line.origin:<10}  "
    return textwrap.fill(
        line.why, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False
    )


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
