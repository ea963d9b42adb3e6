"""`perfgate fleet`: the hosts of a fleet file. Each action is a file of its own, imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

ACTIONS = {
    "check": "fleet_check",
    "salvage": "fleet_salvage",
    "up": "fleet_up",
    "status": "fleet_status",
    "down": "fleet_down",
}
"""Action to its module in perfgate.cli, which has add_parser(actions) and run(arguments)."""

EXAMPLE = """examples:
  perfgate fleet check fleet.toml                # reach every agent; who would spoil a run?
  perfgate fleet check fleet.toml --json
  perfgate fleet up fleet.toml                   # start the agents, as [launcher] says
  perfgate fleet status fleet.toml
  perfgate fleet down fleet.toml
  perfgate fleet salvage fleet.toml --out DIR    # what agents kept of a run whose controller was lost
  perfgate gate SCENARIO --target targets/mystore.toml --fleet fleet.toml --base default --candidate new

fleet.toml:

  [target]                                       # only where the store runs already
  address = "http://10.0.0.5:7432"               # as the agents see it

  [tls]                                          # this controller's own; default: $PERFGATE_CERTS
  directory = "~/.config/perfgate/ci"

  [[hosts]]
  name = "perf-1"
  address = "perf-1.example.org:7400"
  roles = ["host"]                               # starts the stores; one host at most

  [[hosts]]
  name = "load-1"
  address = "10.0.0.7:7400"
  tls_name = "load-1.example.org"                # the name in its certificate, where another one is dialled
  weight = 2.0                                   # of its workers, when requests are shared; default 1, roles ["load"]

docs/fleet.md has the whole."""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the verb `fleet` with its actions."""
    parser = subparsers.add_parser(
        "fleet",
        help="the hosts of a fleet file",
        description="Agents on several hosts as one load generator: check them, fetch what they kept.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    for module in ACTIONS.values():
        importlib.import_module(f"perfgate.cli.{module}").add_parser(actions)


def run(arguments: argparse.Namespace) -> int:
    """Exit code of the action."""
    return int(importlib.import_module(f"perfgate.cli.{ACTIONS[arguments.action]}").run(arguments))
