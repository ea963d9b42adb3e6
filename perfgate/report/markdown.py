"""Reports as Markdown, for merge requests."""

from __future__ import annotations

import re
from pathlib import Path

from perfgate.gate.comparison import Comparison
from perfgate.report.document import Document, Section, Table
from perfgate.report.gate_document import gate_document
from perfgate.report.run_document import run_document
from perfgate.run import RunRecord

MARKS = {"good": "✅", "bad": "❌", "open": "⚠️", "invalid": "⛔"}
_SPECIAL = re.compile(r"([\\`*\[\]<>|]|(?<!\w)_|_(?!\w))")
"""Between letters an underscore is one."""


def gate_markdown(record: RunRecord, comparison: Comparison, directory: Path | None = None) -> str:
    """A gate's report; directory: where its files are, when known."""
    return render_markdown(gate_document(record, comparison, directory))


def run_markdown(record: RunRecord, directory: Path | None = None) -> str:
    """A run's report."""
    return render_markdown(run_document(record, directory))


def render_markdown(document: Document) -> str:
    """Ends with a newline."""
    parts = [
        f"## {MARKS[document.tone]} {document.word}",
        f"**{_escape(document.headline)}**",
        _escape(document.subtitle),
        *(_section(section) for section in document.sections),
        *(f"{label}: {_code(text)}" for label, text in document.closing),
    ]
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> str:
    parts = [_item(line) for line in section.lines]
    blocks = ["\n".join(parts)] if parts else []
    if section.table and section.table.rows:
        blocks.append(_table(section.table))
    if section.facts:
        blocks.append("\n".join(f"- {_escape(label)}: {_escape(text)}" for label, text in section.facts))
    if note := section.small_print():
        blocks.append("<br>\n".join(f"<sub>{_escape(line)}</sub>" for line in note.split("\n")))
    body = "\n\n".join(blocks)
    if section.folded:
        return f"<details><summary>{_escape(section.title)}</summary>\n\n{body}\n\n</details>"
    return f"### {_escape(section.title)}\n\n{body}"


def _item(line: str) -> str:
    first, *rest = line.split("\n")
    return "\n".join([f"- {_escape(first)}", *(f"  <br>{_escape(more)}" for more in rest)])


def _table(table: Table) -> str:
    head = "| " + " | ".join(_escape(column.title) for column in table.columns) + " |"
    rule = "|" + "|".join("---:" if column.right else "---" for column in table.columns) + "|"
    return "\n".join([head, rule, *("| " + " | ".join(_cells(row.cells, row.tone)) + " |" for row in table.rows)])


def _cells(cells: tuple[str, ...], tone: str) -> list[str]:
    escaped = [_escape(cell) for cell in cells]
    return [f"**{escaped[0]}**", *escaped[1:]] if tone in ("bad", "good") else escaped


def _escape(text: str) -> str:
    """Nothing that a store says may become markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split("\n")))


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"
