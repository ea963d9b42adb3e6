#!/usr/bin/env python3
"""Many gates in a row, for real: how often each verdict comes.

`.venv/bin/python benchmarks/verdicts.py --gates 20 --candidate default` gates the built-in store against itself;
`--candidate slow_search` against a build whose search is 20 % slower. Each gate has a seed of its own. Prints a line a
gate and the counts at the end; `--json FILE` keeps them.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import sys
import time
from pathlib import Path

WORDS = {0: "PASS", 1: "BLOCK", 2: "BLOCK", 3: "INVALID", 4: "INCONCLUSIVE"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="scenarios/ci/quick.toml")
    parser.add_argument("--target", default="targets/embedded.toml")
    parser.add_argument("--base", default="default")
    parser.add_argument("--candidate", default="default")
    parser.add_argument("--gates", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(".perfgate/verdicts"))
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    rows = [gate(arguments, arguments.first_seed + number) for number in range(arguments.gates)]
    counts = collections.Counter(row["verdict"] for row in rows)
    print(", ".join(f"{word} {count}" for word, count in counts.most_common()))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def gate(arguments: argparse.Namespace, seed: int) -> dict[str, object]:
    """One gate; its verdict, time, pairs and first reason."""
    directory = arguments.out / f"{time.strftime('%H%M%S')}-{arguments.candidate}-{seed}"
    command = [
        sys.executable, "-m", "perfgate", "gate", arguments.scenario, "--target", arguments.target,
        "--base", arguments.base, "--candidate", arguments.candidate, "--seed", str(seed), "--out", str(directory),
    ]  # fmt: skip
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    row: dict[str, object] = {
        "seed": seed,
        "candidate": arguments.candidate,
        "verdict": WORDS.get(done.returncode, f"exit {done.returncode}"),
        "seconds": round(time.monotonic() - began, 1),
    }
    try:
        result = json.loads((directory / "result.json").read_text())
        row["pairs"] = result["comparison"]["pairs"]
        row["reason"] = result["comparison"]["verdict"]["reasons"][0]["text"]
        row["steal"] = max((pair["steal_fraction"] for pair in result["record"]["pairs"]), default=0.0)
    except (OSError, ValueError, LookupError):
        row["reason"] = done.stderr.strip().splitlines()[-1:]
    print(
        f"{seed:4d}  {row['verdict']:<12}  {row['seconds']:>6} s  {row.get('pairs', 0):>3} pairs  {row['reason']}",
        flush=True,
    )
    return row


if __name__ == "__main__":
    sys.exit(main())
