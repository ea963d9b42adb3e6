"""`perfgate fleet salvage`: what agents kept of a run whose controller was lost."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate_controller.link import AgentLink
    from perfgate_controller.salvage import KeptRun

    from perfgate.fleet_file.model import FleetFile
    from perfgate.run import RunRecord
    from perfgate.trust.files import TlsFiles

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate fleet salvage fleet.toml --list
  perfgate fleet salvage fleet.toml --out salvaged
  perfgate fleet salvage fleet.toml --run 5c1f0a93be27d844 --out salvaged

An agent whose controller falls silent stops its load and keeps what it had measured. This fetches it from all agents of the
file into a run's directory, marked as broken off. Of a gate it is the pair that was being measured; those before are in the
directory of the gate itself. Do not add the two up: what had arrived there is here, too. Agents keep the newest eight.

exit codes: 0 fetched, 3 anything else"""


def add_parser(actions: Subparsers) -> None:
    from perfgate.cli.fleet_check import add_tls_arguments

    parser = actions.add_parser(
        "salvage", help="fetch what agents kept of a run whose controller was lost",
        description="Fetch what agents kept of a run whose controller was lost into a run's directory.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE", help="the fleet file (TOML)")
    parser.add_argument("--list", action="store_true", help="only say what is kept")
    parser.add_argument("--run", default="", metavar="ID", help="which run, as --list names it (default: the newest)")
    parser.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="a new directory (default: .perfgate/runs/…)"
    )
    add_tls_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """0. Raises InputError or FleetError where there is nothing to fetch."""
    from perfgate.cli.agents import controller_tls
    from perfgate.cli.printing import print_run
    from perfgate.fleet_file import load_fleet
    from perfgate.fleet_file.launched import with_addresses
    from perfgate.report.directory import write_result

    fleet = with_addresses(load_fleet(arguments.file))
    done = asyncio.run(_salvage(arguments, fleet, controller_tls(arguments, fleet)))
    if done is not None:
        record, directory = done
        write_result(directory, record, None)
        print_run(record, directory)
    return 0


async def _salvage(
    arguments: argparse.Namespace, fleet: FleetFile, tls: TlsFiles | None
) -> tuple[RunRecord, Path] | None:
    from perfgate_controller.member import members_of
    from perfgate_controller.salvage import fetch, kept_runs, links_of, write

    from perfgate.cli.common import _make_directory

    links = links_of(members_of(fleet), tls)
    try:
        reached = await _reach(links)
        runs = await kept_runs(reached)
        if arguments.list:
            _show(runs)
            return None
        salvaged = await fetch(reached, _choose(runs, arguments.run))
    finally:
        await asyncio.gather(*(link.close() for link in links), return_exceptions=True)
    directory = _make_directory(arguments.out, "salvage", arguments.file.stem)
    return write(salvaged, directory), directory


async def _reach(links: list[AgentLink]) -> list[AgentLink]:
    """Those that answer; the others are named."""
    from perfgate.errors import FleetError

    answers = await asyncio.gather(*(link.describe(wait=False) for link in links), return_exceptions=True)
    reached = []
    for link, answer in zip(links, answers, strict=True):
        if isinstance(answer, FleetError):
            print(f"perfgate: warning: {answer}", file=sys.stderr)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            reached.append(link)
    return reached


def _choose(runs: list[KeptRun], wanted: str) -> KeptRun:
    from perfgate.errors import InputError

    chosen = [run for run in runs if not wanted or run.run_id == wanted]
    if not chosen:
        known = ", ".join(run.run_id for run in runs) or "nothing"
        raise InputError(f"--run {wanted or '(the newest)'}: the agents keep {known}; see --list")
    return chosen[0]


def _show(runs: list[KeptRun]) -> None:
    for run in runs:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.ended_wall_ns / 1e9))
        print(f"{run.run_id}  {when}  {run.run}, by {run.holder}: {run.reason}; on {', '.join(run.tokens)}")
    if not runs:
        print("nothing is kept")
