"""`perfgate fleet check`: reach every agent of a fleet file, and say who would spoil a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(actions: Subparsers) -> None:
    parser = actions.add_parser("check", help="reach every agent, and say who would spoil a run")
    parser.add_argument("file", type=Path, metavar="FILE", help="the fleet file (TOML)")


def run(arguments: argparse.Namespace) -> int:
    from perfgate.fleet_file import load_fleet

    fleet = load_fleet(arguments.file)
    print(f"{arguments.file}: {len(fleet.hosts)} hosts")
    return 0
