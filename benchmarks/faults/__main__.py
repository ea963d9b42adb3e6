"""Provokes every fault for real and writes what came of it. Needs root, for network namespaces.

    .venv/bin/python -m benchmarks.faults                             # all: some ten minutes
    .venv/bin/python -m benchmarks.faults agent-kill cut-5            # these
    .venv/bin/python -m benchmarks.faults --docs docs/faults.md       # and the table into the document
    .venv/bin/python -m benchmarks.faults --list

Outcomes are kept in .perfgate/faults, so that the table has those of earlier calls, too. exit codes: 0 every claim held,
1 one did not, 3 this machine cannot do it
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faults.case import AGENTS, Case
from benchmarks.faults.cases import CASES
from benchmarks.faults.lab import Lab, lab
from benchmarks.faults.network import NotHere
from benchmarks.faults.table import faults_table, into_document, save, saved
from perfgate.errors import InputError

OUTCOMES = Path(".perfgate/faults")


def main() -> int:
    arguments = _arguments()
    if arguments.list:
        for case in CASES:
            print(f"{case.name:22} {case.fault}: {case.provoked}")
        return 0
    chosen = [case for case in CASES if case.name in arguments.names or not arguments.names]
    try:
        broken = _play_all(chosen) if not arguments.table else []
        table = faults_table(CASES, saved(OUTCOMES))
        print(table)
        if arguments.docs is not None:
            into_document(arguments.docs, table)
    except (NotHere, InputError) as error:
        print(f"benchmarks.faults: {error}", file=sys.stderr)
        return 3
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which faults (default: all)")
    parser.add_argument("--list", action="store_true", help="only say which there are")
    parser.add_argument("--table", action="store_true", help="provoke nothing: the table of earlier outcomes")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="write the table into this document")
    arguments = parser.parse_args()
    known = {case.name for case in CASES}
    if unknown := set(arguments.names) - known:
        parser.error(f"{', '.join(sorted(unknown))}: there are {', '.join(sorted(known))}")
    return arguments


def _play_all(cases: list[Case]) -> list[str]:
    """In one lab; names of those with a claim that did not hold."""
    broken = []
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as directory,
        lab(Path(directory), "controller", *AGENTS, "store") as made,
    ):
        how = "the kernel's netem" if made.network.netem else "a switch of our own, since this kernel has no netem"
        print(f"lines are delayed and cut by {how}", file=sys.stderr)
        for case in cases:
            if not _play(case, made):
                broken.append(case.name)
    return broken


def _play(case: Case, made: Lab) -> bool:
    began = time.monotonic()
    try:
        made.reset(*AGENTS)
        save(OUTCOMES, case.name, case.play(made))
        word = "held"
    except AssertionError as error:
        word = f"DID NOT HOLD: {error}"
    print(f"{case.name}: {word} ({time.monotonic() - began:.1f} s)", file=sys.stderr, flush=True)
    return word == "held"


if __name__ == "__main__":
    sys.exit(main())
