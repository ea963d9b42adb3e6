"""Runs for the tests of the history: small ones that differ, and places to keep them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from builders import arm_interval, comparison, effects, record

from perfgate.gate.comparison import Comparison
from perfgate.gate.verdict import Word
from perfgate.history.database import opened, writing
from perfgate.history.entry import Entry
from perfgate.history.location import Location, find_location
from perfgate.history.writer import add_run
from perfgate.run import RunRecord
from perfgate.units import NS_PER_S

BEGAN_NS = 1_790_000_000 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
_ARM = arm_interval()
_WORDS = tuple(Word)
_GATE = record(pair_count=12)
_COMPARISONS = {word: comparison(word, pairs=12, effects=effects(pairs=12)) for word in Word}


def small_gate(number: int, word: Word | None = None, **fields: Any) -> tuple[RunRecord, Comparison]:
    """The number decides when it was and, without `word`, what it said."""
    values = {"started_wall_ns": BEGAN_NS + number * DAY_NS, "seed": number, **fields}
    return dataclasses.replace(_GATE, **values), _COMPARISONS[word or _WORDS[number % len(_WORDS)]]


def gate_entry(number: int, word: Word | None = None, directory: str = "/gone", **fields: Any) -> Entry:
    return Entry.of(*small_gate(number, word, **fields), Path(directory))


def add(location: Location, *entries: Entry) -> None:
    with opened(location) as engine, writing(engine) as connection:
        for entry in entries:
            assert add_run(connection, entry)


def at(path: Path | str) -> Location:
    location = find_location(str(path))
    assert location is not None
    return location
