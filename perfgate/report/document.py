"""A report as sections, before it becomes a terminal's or a merge request's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """right: figures. dispensable: left out where there is no room; the greatest number goes first, 0 never. meaning: for the
    small print, where the column is shown."""

    title: str
    right: bool = False
    dispensable: int = 0
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """tone: `bad`, `good`, `strong` or nothing; how the row stands out."""

    cells: tuple[str, ...]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Each row has a cell for every column."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """lines: each a paragraph, its own lines set below it. facts: (label, text). note: small print. folded: not on a
    terminal, and in a merge request only on demand."""

    title: str
    lines: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    table: Table | None = None
    note: str = ""
    folded: bool = False

    @property
    def empty(self) -> bool:
        return not (self.lines or self.facts or (self.table and self.table.rows))

    def small_print(self, shown: Sequence[int] | None = None) -> str:
        """What the shown columns mean (None: all), then the note."""
        columns = self.table.columns if self.table and self.table.rows else ()
        chosen = columns if shown is None else [columns[index] for index in shown if index < len(columns)]
        meanings = "; ".join(f"{column.title}: {column.meaning}" for column in chosen if column.meaning)
        return "\n".join(filter(None, (f"{meanings}." if meanings else "", self.note)))


@dataclass(frozen=True, slots=True)
class Document:
    """word: the verdict. tone: `good`, `bad`, `open` or `invalid`. closing: (label, text to be copied as it is)."""

    word: str
    tone: str
    headline: str
    subtitle: str
    sections: tuple[Section, ...]
    closing: tuple[tuple[str, str], ...]
