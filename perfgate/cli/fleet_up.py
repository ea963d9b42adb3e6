"""`perfgate fleet up`: start the agents of a fleet file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate_controller.launch.launcher import Placed

    from perfgate.fleet_file import FleetFile

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate fleet up fleet.toml
  perfgate fleet up fleet.toml --dry-run

in fleet.toml:

  [launcher]
  kind = "ssh"                                   # or "local", "ray", "kubernetes"
  user = "perf"
  wheels = ["dist"]                              # perfgate's wheel; its environment there bears the wheel's digest
  certs = "~/.config/perfgate/authority"         # each agent gets its own certificate, made where it is missing
  targets = ["targets/mystore.toml"]             # what may be started there
  addresses = ["10.1.0.0/16:7432"]               # what may be loaded

  [[hosts]]
  name = "perf-1"
  address = "perf-1.example.org:7400"

What runs already stays as it is, so `up` may be called again after a failure. docs/launchers.md has the whole."""


def add_parser(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "up", help="start the agents", description="Start the agents of a fleet file, by what its [launcher] says.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE", help="the fleet file (TOML)")
    parser.add_argument(
        "--dry-run", action="store_true", help="start nothing; print what would be (kubernetes: its manifests, as YAML)"
    )


def run(arguments: argparse.Namespace) -> int:
    """0 when every agent listens. Raises PerfgateError naming those that do not."""
    import asyncio

    from perfgate_controller.launch.start import fleet_up

    from perfgate.cli.fleet_certify import certifier
    from perfgate.fleet_file import load_fleet

    fleet = load_fleet(arguments.file)
    if arguments.dry_run:
        return _dry_run(fleet)

    def say(placed: Placed) -> None:
        print(f"{placed.name}  {placed.address}", flush=True)

    asyncio.run(fleet_up(fleet, certifier(fleet), say))
    print(f"{len(fleet.hosts)} agents listen; next: perfgate fleet check {arguments.file}")
    return 0


def _dry_run(fleet: FleetFile) -> int:
    from perfgate_controller.launch.preview import preview

    print(preview(fleet), end="")
    return 0
