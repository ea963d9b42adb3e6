"""`perfgate doctor`: what this host can measure, and what to change."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate.doctor.diagnosis import Diagnosis
    from perfgate.doctor.examine import Examination

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate doctor
  perfgate doctor scenarios/ci/fast_regression_check.toml
  perfgate doctor scenarios/ci/quick.toml --seconds 60 --json doctor.json
  perfgate doctor --rate 5000

It takes twice --seconds and some seconds more: first it listens to processors at rest, then its own generator loads the
least that a server can be. Nothing is changed on this machine, and nothing is left behind. Keep other work off it meanwhile,
as you would for a gate. With SCENARIO the requests are the scenario's own (its operations, vectors and rate) and it is the
scenario's [gate] and expected p99 that the host is held against; a --target is not needed.

exit codes:
  0  FIT: a gate here sees what its margin asks for
  3  UNFIT: the scenario cannot be measured here as it is; also bad input, a failure, Ctrl-C
  4  COARSE: it can be measured, but something is bad, or only larger changes would be seen"""
SHORTEST_S, LONGEST_S = 1.0, 600.0
HIGHEST_RATE = 200_000.0


def add_parser(subparsers: Subparsers) -> None:
    """Adds the verb `doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="what regressions this host can and cannot resolve, and what to change",
        description="Measure this host's noise and the load generator's own error, and say what a gate could see here.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "scenario", type=Path, nargs="?", default=None, metavar="SCENARIO", help="examine for this scenario file (TOML)"
    )
    parser.add_argument(
        "--seconds", type=float, default=20.0, metavar="N", help="of each of the two measurements (default: 20)"
    )
    parser.add_argument(
        "--rate", type=float, default=None, metavar="N",
        help="requests a second (default: the scenario's highest, or 1000)",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="load worker processes (default: 1)")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write everything as JSON too")


def run(arguments: argparse.Namespace) -> int:
    """The exit code of the fitness: 0 FIT, 3 UNFIT, 4 COARSE. Raises InputError for arguments that cannot be."""
    from perfgate.cli.common import run_until_signal
    from perfgate.doctor.document import diagnosis_document
    from perfgate.doctor.examine import examine
    from perfgate.doctor.meter import make_meter
    from perfgate.report.terminal import make_console, render

    order = _order(arguments)
    with make_meter(sys.stderr) as progress:
        found = run_until_signal(examine(order, progress))
    if arguments.json is not None:
        _write(arguments.json, found)
    render(diagnosis_document(found), make_console())
    return found.fitness.exit_code


def _order(arguments: argparse.Namespace) -> Examination:
    from perfgate_agent.command import default_cache_dir

    from perfgate.doctor.examine import Examination
    from perfgate.errors import InputError
    from perfgate.plan import LANES
    from perfgate.scenario import load_scenario

    if not SHORTEST_S <= arguments.seconds <= LONGEST_S:
        raise InputError(f"--seconds {arguments.seconds:g}: give {SHORTEST_S:g} to {LONGEST_S:g}")
    if arguments.rate is not None and not (math.isfinite(arguments.rate) and 1 <= arguments.rate <= HIGHEST_RATE):
        raise InputError(f"--rate {arguments.rate:g}: give 1 to {HIGHEST_RATE:,.0f} requests a second")
    if not 1 <= arguments.workers <= LANES:
        raise InputError(f"--workers {arguments.workers}: give 1 to {LANES}")
    if arguments.json is not None and not arguments.json.absolute().parent.is_dir():
        raise InputError(f"--json {arguments.json}: its directory does not exist; give a file that can be written")
    scenario = load_scenario(arguments.scenario) if arguments.scenario is not None else None
    return Examination(scenario, arguments.rate, arguments.seconds, arguments.workers, default_cache_dir())


def _write(path: Path, found: Diagnosis) -> None:
    import json

    from perfgate.doctor.diagnosis_json import diagnosis_to_json
    from perfgate.errors import InputError

    try:
        path.write_text(json.dumps(diagnosis_to_json(found), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--json {path}: {error.strerror}; give a file that can be written") from error
