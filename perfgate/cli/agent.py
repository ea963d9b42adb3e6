"""`perfgate agent serve`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from perfgate.cli.parser import described

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

UNIT = """example:
  perfgate agent unit > /etc/systemd/system/perfgate-agent.service
  systemctl daemon-reload && systemctl enable --now perfgate-agent

It serves by /etc/perfgate/agent.toml, as the user perfgate. docs/security.md has the whole."""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the verb `agent` with its actions."""
    from perfgate_agent.command import EXAMPLE, add_arguments

    parser = described(subparsers, "agent", "serve as an agent on a perf-tier host", EXAMPLE)
    verbs = parser.add_subparsers(dest="agent_verb", metavar="ACTION", title="actions", required=True)
    serve = verbs.add_parser(
        "serve",
        help="serve until a signal comes",
        description="Serve as an agent: drive load and start store processes for controllers, one run at a time.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(serve)
    described(verbs, "unit", "print a systemd unit for it", UNIT)


def run(arguments: argparse.Namespace) -> int:
    from perfgate_agent.command import serve_command, unit_command

    return unit_command() if arguments.agent_verb == "unit" else serve_command(arguments)
