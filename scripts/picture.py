#!/usr/bin/env python3
"""Draws a gate's report as it looks on a terminal: `.venv/bin/python scripts/picture.py DIR` writes docs/img/verdict.svg.

DIR is the directory of a gate, e.g. .perfgate/demo/slow_search.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import re
import sys
from pathlib import Path

from rich.console import Console

from perfgate.errors import InputError
from perfgate.report.directory import read_result
from perfgate.report.document import Document
from perfgate.report.gate_document import gate_document
from perfgate.report.terminal import render

DEFAULT = Path(__file__).resolve().parent.parent / "docs" / "img" / "verdict.svg"
SHOWN = ("Why", "Metrics")
WIDTH = 112
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
"""Fonts from a foreign host: a picture in a repository must not load anything."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw a gate's report as an SVG for the README.")
    parser.add_argument("directory", type=Path, metavar="DIR", help="the directory of a gate")
    parser.add_argument("--out", type=Path, default=DEFAULT, metavar="FILE", help="default: docs/img/verdict.svg")
    parser.add_argument("--all", action="store_true", help="every section, not only the verdict, why and the metrics")
    arguments = parser.parse_args()
    try:
        picture = draw(arguments.directory, everything=arguments.all)
    except InputError as error:
        print(f"picture: {error}", file=sys.stderr)
        return 3
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(picture, encoding="utf-8")
    print(arguments.out)
    return 0


def draw(directory: Path, everything: bool = False) -> str:
    """The report of `directory` as SVG. Raises InputError for what is not a gate's."""
    record, comparison = read_result(directory)
    if comparison is None:
        raise InputError(f"{directory}: is a run without a gate; give the directory of a gate")
    document = gate_document(record, comparison, directory)
    return to_svg(document if everything else shortened(document), f"perfgate gate: {record.name}")


def shortened(document: Document) -> Document:
    """The verdict, why, and the metrics: what fits a README."""
    sections = tuple(section for section in document.sections if section.title in SHOWN)
    return dataclasses.replace(document, sections=sections)


def to_svg(document: Document, title: str) -> str:
    """The same document gives the same bytes, and nothing is fetched to show it."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    render(document, console)
    return _FONT_FACE.sub("", console.export_svg(title=title, unique_id="verdict"))


if __name__ == "__main__":
    sys.exit(main())
