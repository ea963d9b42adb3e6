"""How often a trend alerts and where it sees jumps, on simulated gates of commits whose truth is known.

python -m perfgate.trend.simulate --runs 200
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

import numpy as np

from perfgate.history.estimates import GateEstimate
from perfgate.trend.assemble import assemble
from perfgate.trend.outlook import Outlook, look_at

METRIC = "recall p99"
DAYS = 57
STEP_DAY = 40
DAY_NS = 86_400 * 1_000_000_000
BEGAN_NS = 1_790_000_000 * 1_000_000_000
PATTERNS = ("chain", "star", "both", "weekly")
"""Each commit against the day before; against the anchor; both; against the last weekly baseline."""


def sha(number: int) -> str:
    """The id of a commit; 1 is the anchor."""
    return f"{number:012x}".ljust(40, "0")


def flat(days: int) -> list[float]:
    """The truth of each day's commit as a log ratio to the first day's."""
    return [0.0] * days


def step(days: int, at: int, size: float) -> list[float]:
    """A jump on day `at`."""
    return [math.log1p(size) * (day >= at) for day in range(days)]


def creep(days: int, a_week: float) -> list[float]:
    """So much more each week."""
    return [math.log1p(a_week) * day / 7 for day in range(days)]


def gates(
    truth: Sequence[float], seed: int = 1, se: float = 0.012, pattern: str = "chain", df: int = 17
) -> list[GateEstimate]:
    """A commit a day, gated by `pattern`; se: of each gate's estimate, known to it with df degrees of freedom."""
    rng, found = np.random.default_rng(seed), []
    for day in range(1, len(truth)):
        bases = {"chain": [day - 1], "star": [0], "both": [day - 1, 0], "weekly": [(day - 1) // 7 * 7]}[pattern]
        for base in bases:
            own = se * math.sqrt(rng.chisquare(df) / df)
            estimate = truth[day] - truth[base] + se * rng.standard_normal()
            when = BEGAN_NS + day * DAY_NS
            of = ("simulated", "mystore", sha(base + 1), sha(day + 1), METRIC, "p99", True)
            found.append(GateEstimate(f"run{day:04d}", when, *of, estimate, own, df))
    return found


def looked_at(
    truth: Sequence[float], seed: int, pattern: str = "both", changes: bool = True, se: float = 0.012
) -> Outlook:
    """What is said of these gates."""
    return look_at(assemble(gates(truth, seed, se, pattern), METRIC, sha(1)).series, changes=changes)


def exact(of: Outlook) -> bool:
    """Whether the jump of STEP_DAY and no other was seen."""
    return [change.commit for change in of.changes] == [sha(STEP_DAY + 1)]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m perfgate.trend.simulate", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--se", type=float, default=0.012, help="of a gate's log ratio")
    given = parser.parse_args(words)
    print("pattern  alert flat  jump seen in flat  alert +0.5 %/week  alert +1.5 %/week  step +8 % at its commit")
    for pattern in PATTERNS:
        cells = []
        for truth in (flat(DAYS), creep(DAYS, 0.005), creep(DAYS, 0.015), step(DAYS, STEP_DAY, 0.08)):
            cells.append([looked_at(truth, seed, pattern, se=given.se) for seed in range(given.runs)])
        still, slow, fast, jump = cells
        shares = [
            np.mean([one.alert for one in still]), np.mean([bool(one.changes) for one in still]),
            np.mean([one.alert for one in slow]), np.mean([one.alert for one in fast]), np.mean([exact(one) for one in jump]),
        ]  # fmt: skip
        print(f"{pattern:8} " + "  ".join(f"{100 * share:.1f} %" for share in shares), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
