"""Finds the line of a key in TOML text: parsers forget where values stood, users want to know."""

from __future__ import annotations

import re
from collections.abc import Iterator

Path = tuple[str, ...]

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"^\s*\[\s*({_DOTTED})\s*\]")
_LISTED = re.compile(rf"^\s*\[\[\s*({_DOTTED})\s*\]\]")
_ASSIGNMENT = re.compile(rf"^\s*({_DOTTED})\s*=")


def find_line(text: str, path: Path) -> int | None:
    """The 1-based line where `path`, or the longest part of it that is written, stands; None when no part is.

    The tables of a list `[[name]]` have the path (name, "0"), (name, "1") and so on. A key inside an inline table is
    found on the line of the table; text inside multi-line strings may mislead it.
    """
    best, line = 0, None
    for number, written in _keys(text):
        common = len(written) if path[: len(written)] == written else 0
        if common > best:
            best, line = common, number
    return line


def _keys(text: str) -> Iterator[tuple[int, Path]]:
    table: Path = ()
    listed: dict[Path, int] = {}
    for number, row in enumerate(text.splitlines(), start=1):
        if header := _LISTED.match(row):
            name = _split(header[1])
            listed[name] = listed.get(name, -1) + 1
            table = (*name, str(listed[name]))
            yield number, table
        elif header := _HEADER.match(row):
            table = _split(header[1])
            yield number, table
        elif assignment := _ASSIGNMENT.match(row):
            yield number, table + _split(assignment[1])


def _split(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))
