#!/usr/bin/env python3
"""Whether gates differ from each other by more than each says of its own error: `python -m benchmarks.between_gates DIR…`.

DIR holds the record of one gate (result.json), or of many: `benchmarks/verdicts.py` leaves them in `.perfgate/verdicts`. All
gates given must ask the same question of the same two builds. For each metric: the mean effect, how much the gates'
estimates spread, what their standard errors promise, and chi² / df, the weighted spread over what is promised: 1 where the
errors are honest and nothing is left that only another gate would show (another loading of the data, another hour).
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

LEAST_GATES = 5
LARGEST_SE = 0.2
"""A gate that knows an effect no better than so says nothing of the spread."""

Estimate = tuple[float, float]
"""(effect: log of candidate over base, or a difference of shares; its standard error)"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", type=Path, metavar="DIR")
    found = read(parser.parse_args().places)
    if not found:
        print(f"no metric that {LEAST_GATES} gates know", file=sys.stderr)
        return 3
    print(
        "| metric | gates | mean effect | sd of the gates | their standard errors | chi² / df |\n|---|---|---|---|---|---|"
    )
    for name, estimates in sorted(found.items()):
        print(row(name, estimates))
    return 0


def read(places: Iterable[Path]) -> Mapping[str, Sequence[Estimate]]:
    """By metric, of those that enough gates know."""
    found: dict[str, list[Estimate]] = collections.defaultdict(list)
    for place in places:
        for path in sorted(place.rglob("result.json")):
            for effect in json.loads(path.read_text())["comparison"]["effects"]:
                if effect["se"] and effect["se"] < LARGEST_SE:
                    name = f"{effect['operation'] or 'all operations'} {effect['statistic']}"
                    found[name].append((effect["estimate"], effect["se"]))
    return {name: estimates for name, estimates in found.items() if len(estimates) >= LEAST_GATES}


def row(name: str, estimates: Sequence[Estimate]) -> str:
    effects = [effect for effect, _ in estimates]
    weights = [se**-2 for _, se in estimates]
    mean = sum(weight * effect for weight, effect in zip(weights, effects, strict=True)) / sum(weights)
    chi2 = sum(weight * (effect - mean) ** 2 for weight, effect in zip(weights, effects, strict=True))
    promised = math.sqrt(statistics.mean(se**2 for _, se in estimates))
    return (
        f"| {name} | {len(estimates)} | {statistics.mean(effects):+.2%} | {statistics.stdev(effects):.2%} "
        f"| {promised:.2%} | {chi2 / (len(estimates) - 1):.2f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
