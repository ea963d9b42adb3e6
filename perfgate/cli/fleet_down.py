"""`perfgate fleet down`: end what `perfgate fleet up` has started."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate_controller.launch.launcher import Standing

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(actions: Subparsers) -> None:
    parser = actions.add_parser(
        "down", help="end the agents that `up` has started",
        description="End the agents that `perfgate fleet up` has started for this file, and all that they have started.",
        epilog="example:\n  perfgate fleet down fleet.toml", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE", help="the fleet file (TOML)")
    parser.add_argument(
        "--patience", type=float, default=10.0, metavar="SECONDS",
        help="how long an agent may take to end in order, before it is killed (default: 10)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """0 when nothing runs any more. Raises PerfgateError naming what may."""
    import asyncio

    from perfgate_controller.launch.start import fleet_down

    from perfgate.errors import InputError
    from perfgate.fleet_file import load_fleet

    if not 0 <= arguments.patience <= 3600:
        raise InputError(f"--patience {arguments.patience:g}: give 0 to 3600 seconds")
    ended: list[str] = []

    def say(standing: Standing) -> None:
        ended.append(standing.name)
        print(f"{standing.name}  {standing.detail}", flush=True)

    asyncio.run(fleet_down(load_fleet(arguments.file), arguments.patience, say))
    if not ended:
        print("nothing was started for this file")
    return 0
