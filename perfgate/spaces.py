"""Whose requests are whose: memory spaces drawn by their shares, keys within a space, and spaces gathered into groups.

Node, query and pool vector i belong to space i modulo the number of spaces (see perfgate.dataset), so a key names its
space, and nothing else in a request has to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.arrivals.streams import Purpose, stream
from perfgate.requests import FOLLOWER
from perfgate.scenario.model import Scenario, SpacesSpec

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

GROUPS_MOST = 16
"""Groups whose latencies are recorded apart: what is kept must not grow with the number of spaces."""
OTHERS = "others"
NEIGHBOUR = "neighbour"


class SpaceMix:
    """Draws the space of each arrival from a stream of its own: a function of seed and the arrival's number, whoever sends
    it, that leaves every other draw of the plan as it was."""

    def __init__(self, spec: SpacesSpec, seed: int) -> None:
        self.count = spec.count
        self._seed = seed
        self._thresholds = np.round(np.cumsum(spec.shares), 12)[:-1]

    def draw(self, block: int, count: int) -> Integers:
        """Of the arrivals of a block, in order of their numbers."""
        draws = stream(self._seed, Purpose.SPACES, block).random(count)
        return np.searchsorted(self._thresholds, draws, side="right").astype(np.int64)

    def drawn_keys(self, space: Integers, size: Integers, draw: Floats) -> Integers:
        """Any of the `size` keys that belong to the space. size: at least one a space."""
        own = (size - 1 - space) // self.count + 1
        chosen: Integers = np.minimum((draw * own).astype(np.int64), own - 1)
        return chosen * self.count + space

    def walked_keys(self, space: Integers, size: int, index: Integers) -> Integers:
        """The space's keys one after the other, as far as the numbers of its arrivals follow each other."""
        own = (size - 1 - space) // self.count + 1
        return index % own * self.count + space


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """names: of the groups; group: int64 (spaces), of which each space is part."""

    names: tuple[str, ...]
    group: Integers

    def of_keys(self, key: Integers) -> Integers:
        """The group of each key, as in perfgate.requests.Requests."""
        stored = ~key // FOLLOWER - 1
        return self.group[np.where(key >= 0, key % len(self.group), stored)]

    def of(self, key: int) -> int:
        """The group of one key, as `of_keys`."""
        space = key % len(self.group) if key >= 0 else ~key // FOLLOWER - 1
        return int(self.group[space])


def grouping_of(scenario: Scenario) -> Grouping | None:
    """Each space by itself while there are at most GROUPS_MOST, otherwise those that are asked most, and the others. Where
    the noisy neighbour is sent, that one and the others. None without `[spaces]`."""
    if scenario.spaces is None:
        return None
    shares = np.array(scenario.spaces.shares)
    if scenario.neighbour is not None and scenario.neighbour.sent:
        group = np.ones(len(shares), dtype=np.int64)
        group[scenario.neighbour.space] = 0
        return Grouping((NEIGHBOUR, OTHERS), group)
    if len(shares) <= GROUPS_MOST:
        return Grouping(tuple(map(str, range(len(shares)))), np.arange(len(shares)))
    apart = np.sort(np.argsort(-shares, kind="stable")[: GROUPS_MOST - 1])
    group = np.full(len(shares), GROUPS_MOST - 1, dtype=np.int64)
    group[apart] = np.arange(len(apart))
    return Grouping((*map(str, apart.tolist()), OTHERS), group)
