"""`perfgate fleet status`: what became of the agents that `perfgate fleet up` has started."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "status", help="what became of the agents that `up` has started",
        description="The agents of a fleet file: running, ended by themselves (with their last words), stopped, or unreachable.\n"
        "Asks the launcher, not the agents; perfgate fleet check asks those.",
        epilog="example:\n  perfgate fleet status fleet.toml", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE", help="the fleet file (TOML)")


def run(arguments: argparse.Namespace) -> int:
    """0 when all run, else 3."""
    import asyncio

    from perfgate_controller.launch.start import fleet_status

    from perfgate.fleet_file import load_fleet

    found = asyncio.run(fleet_status(load_fleet(arguments.file)))
    wide = max(len(standing.name) for _, standing in found)
    for placed, standing in found:
        address = placed.address if placed else ""
        print(f"{standing.name:<{wide}}  {standing.state:<11}  {address}  {standing.detail}".rstrip())
    return 0 if all(standing.state == "running" for _, standing in found) else 3
