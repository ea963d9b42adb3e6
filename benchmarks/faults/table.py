"""The outcomes as Markdown, for the terminal and for docs/faults.md alike."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.faults.case import Case, Outcome
from perfgate.errors import InputError

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
HEAD = ("fault", "provoked by", "verdict", "exit", "kept of recorded", "took", "what is said, and what else")
VERDICTS = {"none": "–", "BROKEN": "BROKEN OFF"}


def faults_table(cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> str:
    """One row a case that has an outcome."""
    rows = [_row(case, outcomes[case.name]) for case in cases if case.name in outcomes]
    lines = [HEAD, tuple("---" for _ in HEAD), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _row(case: Case, outcome: Outcome) -> tuple[str, ...]:
    kept = "–" if outcome.recorded is None else f"{outcome.kept:,} of {outcome.recorded:,}"
    said = f"“{outcome.said}”" if outcome.said else ""
    words = "; ".join(part for part in (said, outcome.note) if part)
    return (
        f"{case.fault} (`{case.name}`)", case.provoked, VERDICTS.get(outcome.verdict, outcome.verdict), str(outcome.code),
        kept, f"{outcome.took_s:.1f} s", _anywhere(words).replace("|", "\\|"),
    )  # fmt: skip


def _anywhere(words: str) -> str:
    """Without the directory and the names of the machine where it was said."""
    return re.sub(r"@\S+ pid \d+", "@HOST pid N", re.sub(r"/tmp/[^/\s]+/", "…/", words))


def into_document(path: Path, table: str) -> None:
    """Between the two marks of the document. Raises InputError where they are not."""
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise InputError(f"{path}: has no {BEGIN} and {END}; the table goes between them")
    before, rest = text.split(BEGIN, 1)
    path.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END, 1)[1]}")


def save(directory: Path, name: str, outcome: Outcome) -> None:
    """So that the table can be made of cases that ran one at a time."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(json.dumps(dataclasses.asdict(outcome)) + "\n")


def saved(directory: Path) -> dict[str, Outcome]:
    """Whatever `save` has left there."""
    return {path.stem: Outcome(**json.loads(path.read_text())) for path in sorted(directory.glob("*.json"))}
