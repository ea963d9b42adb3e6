#!/usr/bin/env python3
"""perfgate's worker beside other load generators: `make bench`, or `python -m benchmarks.speed --help`.

nginx runs on core 0, the generator on core 1, one tool at a time, in random order, round after round. Prints tables and
writes everything as JSON; with --docs also into that page. Loads loopback only, and ends what it started.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.speed.launch import SERVER_CPU, TOOL_CPU, ToolError
from benchmarks.speed.machine import describe
from benchmarks.speed.nginx import running_nginx
from benchmarks.speed.results import write_results
from benchmarks.speed.rounds import Setting
from benchmarks.speed.sections import SECTIONS, Outcome
from benchmarks.speed.tools import OURS, TOOLS


def main() -> int:
    given = parse()
    if (os.cpu_count() or 1) <= max(SERVER_CPU, TOOL_CPU):
        print(f"bench: needs cores {SERVER_CPU} and {TOOL_CPU}: one for nginx, one for the generator", file=sys.stderr)
        return 3
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    os.sched_setaffinity(0, {SERVER_CPU})
    began = time.monotonic()
    found = find_tools()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as directory, running_nginx(Path(directory)) as nginx:
            setting = Setting(
                nginx, Path(directory), found, given.rounds, given.seconds, given.connections,
                random.Random(given.seed), given.realtime_peers,
            )  # fmt: skip
            outcomes = measure(setting, given.only)
    except ToolError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("bench: interrupted; nothing was written", file=sys.stderr)
        return 130
    keep(given, found, outcomes, time.monotonic() - began)
    return 0


def find_tools() -> dict[str, str]:
    """The installed ones with their paths; a line for each that is skipped."""
    found = {}
    for name, tool in TOOLS.items():
        path = tool.find()
        if path is None:
            print(f"bench: {name} is not installed and skipped (scripts/peers.sh)", file=sys.stderr)
        else:
            found[name] = path
    return found


def measure(setting: Setting, names: list[str]) -> dict[str, Outcome]:
    outcomes = {}
    for name in names:
        print(f"{name}:", file=sys.stderr, flush=True)
        outcomes[name] = SECTIONS[name](setting)
        for block, text in outcomes[name].blocks.items():
            print(f"\n## {block}\n\n{text}\n", flush=True)
    return outcomes


def keep(given: argparse.Namespace, found: dict[str, str], outcomes: dict[str, Outcome], took_s: float) -> None:
    machine = describe()
    how = f"{given.rounds} round{'s' if given.rounds > 1 else ''} of {given.seconds:g} s, order drawn with seed {given.seed}"
    document = {
        "schema": 1, "machine": machine, "seed": given.seed, "rounds": given.rounds, "seconds": given.seconds,
        "connections": given.connections, "realtime_peers": given.realtime_peers, "took_s": round(took_s, 1),
        "tools": {name: TOOLS[name].shown_version(path) for name, path in found.items() if name != OURS},
        "results": {name: outcome.data for name, outcome in outcomes.items()},
    }  # fmt: skip
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(document, indent=1) + "\n")
    if given.docs:
        blocks = {block: text for outcome in outcomes.values() for block, text in outcome.blocks.items()}
        write_results(given.docs, blocks, machine, how)
        for outcome in outcomes.values():
            for name, text in outcome.files.items():
                path = given.docs.parent / "img" / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
    print(f"bench: {took_s / 60:.1f} min, {given.json}", file=sys.stderr)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round of 2 s in place of 5 rounds of 4 s")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=None, help="of load in each run")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS), default=list(SECTIONS), metavar="SECTION",
                        help=f"of {', '.join(SECTIONS)}")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of the order of the tools")
    parser.add_argument(
        "--realtime-peers", action="store_true", help="run peers with our worker's priority (SCHED_FIFO)"
    )
    parser.add_argument("--json", type=Path, default=Path(".perfgate/bench/speed.json"))
    parser.add_argument("--docs", type=Path, default=None, metavar="FILE", help="write the tables into this page, too")
    given = parser.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 5)
    given.seconds = given.seconds or (2.0 if given.quick else 4.0)
    return given


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
