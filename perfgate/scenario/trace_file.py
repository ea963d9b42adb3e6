"""Reads a recorded trace: CSV with a header, columns time, operation and, optionally, key. Others are left aside."""

from __future__ import annotations

import csv
import difflib
import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from perfgate.errors import InputError
from perfgate.operation import OPERATIONS
from perfgate.scenario.trace import MAX_CHARACTERS, MAX_ROWS, NO_KEY, Columns, Trace, encode

TIME_UNITS_US = {"time": 1e6, "time_s": 1e6, "time_ms": 1e3, "time_us": 1.0, "time_ns": 1e-3}
"""The time column's name gives its unit; plain `time` is seconds."""
MAX_SECONDS = 31_536_000.0
_CODES = {operation.value: code for code, operation in enumerate(OPERATIONS)}
_KEY_BITS = 62


def read_trace(path: Path) -> Trace:
    """The trace of a file, its rows in order of time, the first at 0. Raises InputError, with the line of a wrong row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            columns = _columns(path, ((reader.line_num, row) for row in reader))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no CSV file in UTF-8: {error}") from error
    text = encode(columns)
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"{path}: {len(columns):,} rows are more than a scenario can carry ({len(text):,} characters packed, at most "
            f"{MAX_CHARACTERS:,}): play a part of it"
        )
    return Trace(path.name, text)


def _columns(path: Path, rows: Iterator[tuple[int, list[str]]]) -> Columns:
    unit_us, places = _header(path, next(rows, (1, []))[1])
    times: list[float] = []
    codes: list[int] = []
    keys: list[int] = []
    for line, row in rows:
        if not row:
            continue
        if len(times) == MAX_ROWS:
            raise InputError(f"{path}:{line}: more than {MAX_ROWS:,} rows: play a part of it")
        times.append(_time(path, line, _cell(path, line, row, places[0], "time"), unit_us))
        codes.append(_code(path, line, _cell(path, line, row, places[1], "operation")))
        keys.append(_key(row[places[2]].strip()) if 0 <= places[2] < len(row) else NO_KEY)
    if not times:
        raise InputError(f"{path}: no rows: write at least one, for example 0.5,recall")
    order = np.argsort(times, kind="stable")
    sorted_us = np.array(times)[order]
    if sorted_us[-1] - sorted_us[0] > MAX_SECONDS * 1e6:
        raise InputError(f"{path}: lasts longer than a year: is the time column's unit right (time_s, time_ms, …)?")
    time_us = np.rint(sorted_us - sorted_us[0]).astype(np.int64)
    return Columns(time_us, np.array(codes, np.uint8)[order], np.array(keys, np.int64)[order])


def _header(path: Path, names: Sequence[str]) -> tuple[float, tuple[int, int, int]]:
    """The unit of time in µs, and where time, operation and key stand (-1: there is none)."""
    names = [name.strip().lower() for name in names]
    time = next((name for name in names if name in TIME_UNITS_US), None)
    if time is None or "operation" not in names:
        raise InputError(
            f"{path}:1: the header must name a time and an operation: write time_s,operation or time_s,operation,key"
        )
    return TIME_UNITS_US[time], (
        names.index(time),
        names.index("operation"),
        names.index("key") if "key" in names else -1,
    )


def _cell(path: Path, line: int, row: Sequence[str], place: int, name: str) -> str:
    if place >= len(row):
        raise InputError(f"{path}:{line}: {name} is missing: write for example 0.5,recall")
    return row[place].strip()


def _time(path: Path, line: int, text: str, unit_us: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e19:
        raise InputError(f"{path}:{line}: time = {text[:40]!r} must be a number of at least 0: write for example 0.5")
    return value * unit_us


def _code(path: Path, line: int, text: str) -> int:
    if text not in _CODES:
        close = difflib.get_close_matches(text, _CODES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(_CODES)}"
        raise InputError(f"{path}:{line}: operation = {text[:40]!r} is unknown: {hint}")
    return _CODES[text]


def _key(text: str) -> int:
    """A whole number is itself; any other text becomes a number that is the same for the same text."""
    if not text:
        return NO_KEY
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> (64 - _KEY_BITS)
