"""More metrics, more chances to be wrong: families of 3 to 90 metrics, with the error shared and not shared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import cycle, islice

import numpy as np

from perfgate.gate.policy import Policy
from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.profile import PROFILES, Profile
from perfgate.simulate.rates import NAMES
from perfgate.simulate.scene import Batch, Scene, batches, decide_all, scene

FAMILIES = (1, 3, 10, 30)
"""Operations, of three metrics each."""


def rows(ask: Ask) -> list[Row]:
    """Beside the rule, what the same rule says where each metric gets as much error as the only one of its kind."""
    of = scene(ask, "family")
    found = []
    for host in ("quiet", "noisy"):
        for operations in FAMILIES:
            names = list(islice(cycle(NAMES), operations))
            label = f"{host} host, {3 * operations} metrics"
            gates = _many(of, PROFILES[host], operations)
            found.append(decide_all(label, ask.policy, gates, names, watch=0))
            if operations == FAMILIES[-1]:
                gates = _many(of, PROFILES[host], operations)
                found.append(
                    decide_all(f"{label}, error not shared", _unshared(ask.policy, operations), gates, names, 0)
                )
    return found


def _many(of: Scene, profile: Profile, operations: int) -> Iterator[Batch]:
    """Tables of so many operations, three drawn at a time with noise of their own: the hardest for a family, since what
    several operations share makes their false alarms come together."""
    draws = [batches(of, profile) for _ in range(-(-operations // len(NAMES)))]
    for parts in zip(*draws, strict=True):
        yield np.concatenate([tables for tables, _ in parts], axis=2)[:, :, :operations], parts[0][1]


def _unshared(policy: Policy, operations: int) -> Policy:
    return dataclasses.replace(policy, alpha_block=min(0.49, policy.alpha_block * operations))


CASE = Case(
    "family",
    "the same build, judged by 3, 9, 30 and 90 metrics",
    "false BLOCKs stay at or under 0.5 % whatever the number of metrics",
    rows,
)
