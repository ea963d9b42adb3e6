"""Measurements of competitions whose truth is known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from perfgate.compete.model import Measurement, OperationReading, Reading, Store, Turn
from perfgate.compete.policy import CompetePolicy
from perfgate.operation import Operation

SEARCH, STORE = Operation.EMBEDDING_SEARCH, Operation.STORE
VALUES = ("16", "32", "64")
RECALLS = (0.90, 0.96, 0.99)
GROWTH = (0.0, 0.3, 0.7)
"""How much the log latency rises with each value."""
POLICY = CompetePolicy(recall=0.95)


def store(label: str, version: str = "1.0", parameter: str = "ef", values: Sequence[str] = VALUES) -> Store:
    return Store(label, label, "default", version, "synced", "MIT", parameter, tuple(values), 1, 8, "0" * 16)


def reading(value: int, ns: float, recall: float, operations: Sequence[Operation] = (SEARCH,)) -> Reading:
    found = round(1_000 * recall)
    recalls = [0] * 11
    recalls[10], recalls[9] = found // 10, 100 - found // 10
    parts = {
        one: OperationReading(
            400, 0, ns / 2, ns, 1.5 * ns,
            *((found, 1_000, tuple(recalls)) if one is SEARCH else (0, 0, ())),
        )
        for one in operations
    }  # fmt: skip
    return Reading(value, parts)


def measurement(
    levels: Sequence[float], rounds: int = 8, noise: float = 0.02, seed: int = 1, versions: Sequence[str] = (),
    operations: Sequence[Operation] = (SEARCH,), rates: Sequence[float] = (),
) -> Measurement:  # fmt: skip
    """levels: of each store, ours first, the log of how much slower than 2 ms it is at every value. noise: standard deviation
    of a store's level in a round."""
    random = np.random.default_rng(seed)
    turns = []
    for number in range(rounds):
        for place, one in enumerate(levels):
            level = one + noise * float(random.standard_normal())
            readings = tuple(
                reading(value, 2e6 * math.exp(level + GROWTH[value]), RECALLS[value], operations)
                for value in range(len(VALUES))
            )
            rate = rates[place] * math.exp(noise * float(random.standard_normal())) if rates else None
            turns.append(Turn(number, place, place, readings, 10**9, 2 * 10**9, True, (0,), 50_000_000, rate, 16))
    named = [store("ours"), *(store(f"theirs{place}") for place in range(1, len(levels)))]
    if versions:
        named = [dataclasses.replace(one, version=version) for one, version in zip(named, versions, strict=True)]
    return Measurement(
        tuple(named), tuple(operations), tuple(turns), (), 1_750_000_000 * 10**9 + seed, 10**9,
        {"local-1": {"cpu": "x", "cores": "2", "kernel": "6.1"}},
    )  # fmt: skip


def without(measured: Measurement, store_number: int, **fields: object) -> Measurement:
    """The same with other fields in all turns of one store."""
    turns = tuple(
        dataclasses.replace(turn, **fields) if turn.store == store_number else turn
        for turn in measured.turns  # type: ignore[arg-type]
    )
    return dataclasses.replace(measured, turns=turns)
