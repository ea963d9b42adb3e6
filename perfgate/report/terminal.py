"""Reports on a terminal. Without one, or with NO_COLOR, plain text of the same shape."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.gate.comparison import Comparison
from perfgate.report.document import Document, Section, Table
from perfgate.report.gate_document import gate_document
from perfgate.report.run_document import run_document
from perfgate.run import RunRecord

if TYPE_CHECKING:
    from rich.console import Console

INDENT = 2
_UNIT = re.compile(r"(?<=\d) (?=(?:%|pp|ns|µs|ms|s|min)\b|%)")
"""The space between a figure and its unit, where no line may end."""
GAP = 2
PLAIN_WIDTH = 100
"""Of logs and pipes, unless COLUMNS says otherwise."""
STYLES = {"good": "bold green", "bad": "bold red", "open": "bold yellow", "invalid": "bold magenta"}
ROW_STYLES = {"bad": "bold red", "good": "green", "strong": "bold", "": ""}


def make_console() -> Console:
    """On stdout; colours only where there is a terminal and NO_COLOR is not set (FORCE_COLOR forces them)."""
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            raise  # the one being handled; rich's own way is to end with 1, which would read as BLOCK

    if sys.stdout.isatty():
        return Ours(highlight=False)
    columns = os.environ.get("COLUMNS", "")
    return Ours(highlight=False, width=max(80, int(columns)) if columns.isdigit() else PLAIN_WIDTH)


def render_gate(record: RunRecord, comparison: Comparison, console: Console, directory: Path | None = None) -> None:
    """The verdict first, then why, then all evidence."""
    render(gate_document(record, comparison, directory), console)


def render_run(record: RunRecord, console: Console, directory: Path | None = None) -> None:
    """That a record is not complete comes first."""
    render(run_document(record, directory), console)


def render(document: Document, console: Console) -> None:
    """Sections that are folded are left out."""
    from rich import box
    from rich.panel import Panel
    from rich.text import Text

    style = STYLES[document.tone]
    text = Text.assemble((document.word, style), "  ", (document.headline, "bold"), "\n", (document.subtitle, "dim"))
    console.print(Panel(text, box=box.HEAVY, border_style=style, padding=(0, 1)))
    for section in document.sections:
        if not section.folded:
            _print_section(section, console)
    console.print()
    for label, words in document.closing:
        console.print(Text.assemble((f"{label:7} ", "dim"), words), soft_wrap=True)


def _print_section(section: Section, console: Console) -> None:
    from rich.text import Text

    console.print()
    console.print(Text(section.title, style="bold cyan"))
    for line in section.lines:
        first, *rest = line.split("\n")
        _wrapped("• ", first, console)
        for more in rest:
            _wrapped("  ", more, console)
    if section.table and section.table.rows:
        print_table(section.table, console)
    if section.facts:
        width = max(len(label) for label, _ in section.facts)
        for label, text in section.facts:
            _wrapped(f"{label:{width}}  ", text, console, label_style="dim")
    shown = _fitting(section.table, console.width - INDENT) if section.table and section.table.rows else ()
    for line in filter(None, section.small_print(shown).split("\n")):
        _wrapped("", line, console, style="dim")


def _wrapped(label: str, text: str, console: Console, label_style: str = "", style: str = "") -> None:
    """`label`, then `text` wrapped beside it."""
    from rich.text import Text

    indent = INDENT + len(label)
    room = max(20, console.width - indent)
    lines = textwrap.wrap(_UNIT.sub("\u00a0", text), room, break_long_words=False, break_on_hyphens=False) or [""]
    lines = [line.replace("\u00a0", " ") for line in lines]
    console.print(Text.assemble(" " * INDENT, (label, label_style), (lines[0], style)), soft_wrap=True)
    for line in lines[1:]:
        console.print(Text.assemble(" " * indent, (line, style)), soft_wrap=True)


def print_table(table: Table, console: Console) -> None:
    """Without the dispensable columns where there is no room for them."""
    from rich.text import Text

    shown = _fitting(table, console.width - INDENT)
    widths = _widths(table)
    titles = [column.title for column in table.columns]
    console.print(Text(_line(titles, table, widths, shown), style="dim"), soft_wrap=True)
    rule = "─" * (sum(widths[index] + GAP for index in shown) - GAP)
    console.print(Text(" " * INDENT + rule, style="dim"), soft_wrap=True)
    for row in table.rows:
        console.print(Text(_line(row.cells, table, widths, shown), style=ROW_STYLES[row.tone]), soft_wrap=True)


def _widths(table: Table) -> list[int]:
    from rich.cells import cell_len

    rows = [[column.title for column in table.columns], *(row.cells for row in table.rows)]
    return [max(cell_len(row[index]) for row in rows) for index in range(len(table.columns))]


def _fitting(table: Table, room: int) -> list[int]:
    """Which columns are shown: all, or without the dispensable ones where there is no room for them."""
    widths = _widths(table)
    shown = list(range(len(widths)))
    for index in sorted(shown, key=lambda index: -table.columns[index].dispensable):
        if not table.columns[index].dispensable or sum(widths[i] + GAP for i in shown) - GAP <= room:
            break
        shown.remove(index)
    return shown


def _line(cells: Sequence[str], table: Table, widths: list[int], shown: list[int]) -> str:
    from rich.cells import cell_len

    parts = []
    for index in shown:
        space = " " * (widths[index] - cell_len(cells[index]))
        parts.append(space + cells[index] if table.columns[index].right else cells[index] + space)
    return (" " * INDENT + (" " * GAP).join(parts)).rstrip()
