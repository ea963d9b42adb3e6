#!/usr/bin/env python3
"""What gates should have said: `.venv/bin/python -m benchmarks.predicted` after `benchmarks/verdicts.py`.

Takes the gates below .perfgate/verdicts: the pairs of those of the same build are drawn again and turned at random, with the
mean change added that the gates of each other candidate found, and the gate's own rule decides them
(`perfgate.calibration.resample`). Prints a line a candidate: the change of each operation's p50, p95 and p99, and shares.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from perfgate.calibration.resample import resample
from perfgate.gate.pair_effect import STATISTICS
from perfgate.gate.policy_load import policy_for
from perfgate.gate.verdict import Word
from perfgate.operation import Operation

OPERATIONS = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)


def effects(result: Path) -> tuple[str, str, list[list[dict[str, Any]]]] | None:
    """(base, candidate, effects by operation and statistic) of one gate; None of one that ended without a verdict."""
    data = json.loads(result.read_text())
    if data["comparison"]["verdict"]["word"] == Word.INVALID:
        return None
    found = {(one["operation"], one["statistic"]): one for one in data["comparison"]["effects"]}
    builds = data["record"]["builds"]
    return builds["base"], builds["candidate"], [[found[name.value, one] for one in STATISTICS] for name in OPERATIONS]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gates", type=Path, default=Path(".perfgate/verdicts"))
    parser.add_argument("--policy", choices=("standard", "quick"), default="quick")
    parser.add_argument("--resamples", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    pairs, changes = [], collections.defaultdict(list)
    for result in sorted(arguments.gates.glob("*/result.json")):
        if (told := effects(result)) is None:
            continue
        base, candidate, found = told
        if base == candidate:
            pairs.append(np.moveaxis([[one["per_pair"] for one in row] for row in found], 2, 0))
        changes[candidate if base != candidate else "(the same build)"].append(
            [[one["estimate"] * (base != candidate) for one in row] for row in found]
        )
    if not pairs:
        print(
            f"--gates {arguments.gates}: no gate of a build with itself there; run benchmarks/verdicts.py",
            file=sys.stderr,
        )
        return 3
    table = np.concatenate(pairs)
    policy, starts = policy_for({}, arguments.policy), np.zeros((len(table), len(OPERATIONS), 2))
    for candidate, rows in changes.items():
        shift = np.mean(rows, axis=0)
        random = np.random.default_rng(arguments.seed)
        words, used = resample(table, starts, policy, OPERATIONS, shift, arguments.resamples, random)
        shares = " / ".join(
            f"{100 * words[word] / arguments.resamples:.1f}" for word in (Word.BLOCK, Word.PASS, Word.INCONCLUSIVE)
        )
        print(f"{candidate}: {len(rows)} gates found {np.exp(shift).round(3).tolist()}")
        print(f"  BLOCK / PASS / INCONCLUSIVE {shares} %, {used / arguments.resamples:.1f} pairs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
