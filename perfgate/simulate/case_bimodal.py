"""Processes that start in one of two states, whichever build they are of: pairs then compare luck."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from perfgate.simulate.case import Ask, Case, Row
from perfgate.simulate.profile import PROFILES
from perfgate.simulate.scene import Change, batches, decide_all, scene
from perfgate.simulate.seconds import Noise
from perfgate.simulate.truth import TRUTHS

SLOWER = (0.05, 0.15, 0.30, 0.50)


def rows(ask: Ask) -> list[Row]:
    of = scene(ask, "bimodal", [TRUTHS["one20"]])
    found = []
    for host in ("quiet", "typical"):
        for slower in SLOWER:
            gates = batches(of, PROFILES[host], change=_half_of_them(slower))
            found.append(decide_all(f"{host} host, half of the starts {100 * slower:g} % slower", ask.policy, gates))
    gates = batches(of, PROFILES["quiet"], TRUTHS["one20"], _half_of_them(0.3))
    found.append(
        decide_all("quiet host, half of the starts slower by 30 %, and one operation +20 %", ask.policy, gates)
    )
    return found


def _half_of_them(slower: float) -> Change:
    def change(noise: Noise, random: np.random.Generator) -> Noise:
        runs, pairs, _, arms = noise.level.shape
        slow = random.integers(0, 2, (runs, pairs, 1, arms)) * math.log1p(slower)
        return dataclasses.replace(noise, level=noise.level + slow)

    return change


CASE = Case(
    "bimodal",
    "starts that fall into two groups, in both builds alike",
    "no false BLOCK; where the groups lie clearly apart neither BLOCK nor PASS, but INCONCLUSIVE with that reason",
    rows,
)
