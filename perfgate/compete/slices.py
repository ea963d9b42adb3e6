"""In which order the short slices of a round follow each other, and which of them are read together. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perfgate.compete.rotation import rotation, shuffled

APART = 7_919
"""Keeps the orders of values and rounds apart."""


@dataclass(frozen=True, slots=True)
class Step:
    """One window of the plan, given to each of `stores` right after each other, at this value of the search parameter.
    number: which pass over all values it belongs to. window: counted from the round's first."""

    number: int
    value: int
    stores: tuple[int, ...]
    window: int


def steps(values: Sequence[int], passes: int, seed: int, round_number: int) -> list[Step]:
    """values: how many each store has. Passes go over all values, in an order drawn anew, so that each value is measured all
    over the round; the slices of one value lie next to each other in time, their order balanced over two passes (of two
    stores; see rotation)."""
    most = max(values)
    orders = [rotation(len(values), passes, seed + APART * (round_number * most + value + 1)) for value in range(most)]
    found = []
    for number in range(passes):
        for place, value in enumerate(shuffled(most, seed, round_number, number)):
            stores = tuple(store for store in orders[value][number] if value < values[store])
            found.append(Step(number, value, stores, number * most + place))
    return found


def passes_of(measured_ns: int, slice_ns: int) -> int:
    """How many slices make up what is measured of one value: as near as whole ones come, at least one."""
    return max(1, round(measured_ns / slice_ns))


def group_of(passes: int, requests: float, least: int) -> list[int]:
    """Which group each pass belongs to: neighbours are joined until a group holds `least` requests, at so many (on average) a
    slice. The same for every store, since all get the same requests; what is left over joins the last group."""
    width = min(passes, max(1, math.ceil(least / requests))) if requests > 0 else passes
    return [min(number // width, passes // width - 1) for number in range(passes)]
