"""`perfgate agent serve`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> None:
    from perfgate_agent.command import EXAMPLE, add_arguments

    parser = subparsers.add_parser(
        "agent",
        help="serve as an agent on a perf-tier host",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="agent_verb", metavar="ACTION", title="actions", required=True)
    serve = verbs.add_parser(
        "serve",
        help="serve until a signal comes",
        description="Serve as an agent: drive load and start store processes for controllers, one run at a time.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(serve)
    verbs.add_parser("unit", help="print a systemd unit for it")


def run(arguments: argparse.Namespace) -> int:
    from perfgate_agent.command import serve_command, unit_command

    return unit_command() if arguments.agent_verb == "unit" else serve_command(arguments)
