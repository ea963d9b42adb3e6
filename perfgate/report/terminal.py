"""Reports on a terminal. Without one, or with NO_COLOR, plain text of the same shape."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.gate.comparison import Comparison
from perfgate.report.document import Document, Section, Table
from perfgate.report.gate_document import gate_document
from perfgate.report.run_document import run_document
from perfgate.run import RunRecord

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 100
"""Of logs and pipes, unless COLUMNS says otherwise."""
STYLES = {"good": "bold green", "bad": "bold red", "open": "bold yellow", "invalid": "bold magenta"}
ROW_STYLES = {"bad": "bold red", "good": "green", "strong": "bold", "": ""}


def make_console() -> Console:
    """On stdout; colours only where there is a terminal and NO_COLOR is not set (FORCE_COLOR forces them)."""
    from rich.console import Console

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 shows question marks, not a traceback
    if sys.stdout.isatty():
        return Console(highlight=False)
    columns = os.environ.get("COLUMNS", "")
    return Console(highlight=False, width=max(80, int(columns)) if columns.isdigit() else PLAIN_WIDTH)


def render_gate(record: RunRecord, comparison: Comparison, console: Console, directory: Path | None = None) -> None:
    """The verdict first, then why, then all evidence."""
    render(gate_document(record, comparison, directory), console)


def render_run(record: RunRecord, console: Console, directory: Path | None = None) -> None:
    """That a record is not complete comes first."""
    render(run_document(record, directory), console)


def render(document: Document, console: Console) -> None:
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
        console.print(Text.assemble((f"{label:8}", "dim"), words), soft_wrap=True)


def _print_section(section: Section, console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    console.print()
    console.print(Text(section.title, style="bold cyan"))
    for line in section.lines:
        first, *rest = line.split("\n")
        _hanging("• ", first, console)
        for more in rest:
            _hanging("  ", more, console)
    if section.table and section.table.rows:
        _print_table(section.table, console)
    if section.facts:
        _print_facts(section.facts, console)
    for line in section.note.split("\n") if section.note else ():
        console.print(Padding(Text(line, style="dim"), (0, 0, 0, 2)))


def _hanging(mark: str, text: str, console: Console) -> None:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid(padding=0)
    grid.add_column(width=2 + len(mark))
    grid.add_column(ratio=1)
    grid.add_row(f"  {mark}", Text(text))
    console.print(grid)


def _print_facts(facts: tuple[tuple[str, str], ...], console: Console) -> None:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, width=2 + max(len(label) for label, _ in facts))
    grid.add_column(ratio=1)
    for label, text in facts:
        grid.add_row(Text(f"  {label}", style="dim"), Text(text))
    console.print(grid)


def _print_table(table: Table, console: Console) -> None:
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    shown = [index for index, column in enumerate(table.columns) if column.min_width <= console.width]
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=True, show_edge=False, header_style="dim")
    for index in shown:
        column = table.columns[index]
        grid.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
    for row in table.rows:
        grid.add_row(*(Text(row.cells[index]) for index in shown), style=ROW_STYLES[row.tone])
    console.print(grid)
