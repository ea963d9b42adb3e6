#!/usr/bin/env python3
"""How often `perfgate calibrate` would trim a quarter of the pairs: `.venv/bin/python -m benchmarks.trim_choice`.

Calibrations of three independent operations whose pairs are drawn at random, of normal noise and of noise that is five times
as wide in a third of the pairs; each is judged as a calibration judges its own (`perfgate.calibration.components`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from perfgate.calibration.components import HEAVY_TRIM, tails_are_heavy
from perfgate.gate.latency import levels
from perfgate.gate.policy_load import STANDARD
from perfgate.operation import Operation
from perfgate.stats.tail_weight import gain

OPERATIONS = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)
WIDE, SHARE = 5.0, 1 / 3

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def spoilt(random: np.random.Generator, pairs: int) -> NDArray[np.float64]:
    """A third of them five times as wide."""
    return random.standard_normal(pairs) * np.where(random.random(pairs) < SHARE, WIDE, 1.0)


def share_of_quarters(draw: Draw, pairs: int, calibrations: int, random: np.random.Generator) -> float:
    """Of `calibrations` of so many pairs, those that would trim a quarter."""
    last = STANDARD.looks[-1]
    level = levels(STANDARD, STANDARD.primary_share / len(OPERATIONS), last).block
    taken = 0
    for _ in range(calibrations):
        gains = {
            (name, STANDARD.primary): gain(draw(random, pairs), STANDARD.trim, HEAVY_TRIM, last, level)
            for name in OPERATIONS
        }
        taken += tails_are_heavy(gains, STANDARD)
    return taken / calibrations


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calibrations", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    normal: Draw = lambda source, pairs: source.standard_normal(pairs)  # noqa: E731
    print("pairs  normal: 25 % taken  a third spoilt: taken")
    for pairs in (20, 30, 40):
        shares = [share_of_quarters(draw, pairs, arguments.calibrations, random) for draw in (normal, spoilt)]
        print(f"{pairs:5d}  {shares[0]:18.0%}  {shares[1]:21.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
