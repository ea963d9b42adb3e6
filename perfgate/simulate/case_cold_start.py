"""A candidate whose processes are slow at first: a lazily built index, a first collection."""

from __future__ import annotations

import dataclasses

import numpy as np

from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.profile import PROFILES
from perfgate.simulate.scene import Change, batches, decide_all, scene
from perfgate.simulate.seconds import Noise
from perfgate.units import NS_PER_S

LEVEL = 1.5
"""Added to the candidate's log p99 while it stalls: 4.5 times as slow."""
STALLS_S = (1.0, 1.25, 1.5, 2.0)
"""From the start of load; the standard policy discards the first second."""
LONGER_S = 2.0


def rows(ask: Ask) -> list[Row]:
    of = scene(ask, "cold-start")
    found = []
    for warmup_s in (ask.policy.warmup_ns / NS_PER_S, LONGER_S):
        for stall_s in STALLS_S:
            if warmup_s == LONGER_S and stall_s != STALLS_S[-1]:
                continue
            slices = round(max(0.0, stall_s - warmup_s) * NS_PER_S / ask.policy.slice_ns)
            gates = batches(of, PROFILES["typical"], change=_stall(slices))
            label = f"the candidate's first {stall_s:g} s are slow, {warmup_s:g} s of warm-up"
            found.append(decide_all(label, ask.policy, gates))
    return found


def _stall(slices: int) -> Change:
    def change(noise: Noise, random: np.random.Generator) -> Noise:
        level = noise.level.copy()
        level[:, :, :slices, 1] += LEVEL
        return dataclasses.replace(noise, level=level)

    return change


CASE = Case(
    "cold-start",
    "one build is 4.5 times as slow when load begins and the same as the other afterwards, on a typical host",
    "what is over within the warm-up is not seen; what outlasts it is a difference of every pair and blocks: a longer "
    "warmup_seconds leaves it out",
    rows,
)
