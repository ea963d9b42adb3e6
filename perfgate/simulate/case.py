"""A special case: a situation that fools simpler gates, simulated, with what this gate is expected to say in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from perfgate.gate.policy import Policy

Tick = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Ask:
    """How much to simulate. runs: gates a row, at most; rate: requests a second and operation."""

    policy: Policy
    runs: int
    seed: int
    rate: float
    tick: Tick = lambda what, share: None


@dataclass(frozen=True, slots=True)
class Row:
    """What gates said in one variant of a case. figures: what else is worth knowing, by name."""

    label: str
    runs: int
    block: int
    passed: int
    inconclusive: int
    pairs: float
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def blocked(self) -> float:
        """Share."""
        return self.block / self.runs

    @property
    def cleared(self) -> float:
        """Share of PASS."""
        return self.passed / self.runs


@dataclass(frozen=True, slots=True)
class Case:
    """name: for the command line; title, expected: for people; rows: simulates it."""

    name: str
    title: str
    expected: str
    rows: Callable[[Ask], list[Row]]


def to_text(rows: Sequence[Row]) -> str:
    """A line a row: BLOCK / PASS / INCONCLUSIVE in percent, and its figures."""
    columns = [["", "BLOCK / PASS / INCONCLUSIVE", "pairs", ""]]
    for row in rows:
        shares = (f"{100 * count / row.runs:.3g}" for count in (row.block, row.passed, row.inconclusive))
        figures = ", ".join(f"{name} {value:.3g}" for name, value in row.figures.items())
        columns.append([row.label, " / ".join(shares), f"{row.pairs:.0f}", figures])
    widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in columns
    )


def to_json(case: Case, rows: Sequence[Row]) -> dict[str, Any]:
    """JSON-ready."""
    return {
        "case": case.name,
        "expected": case.expected,
        "rows": [
            {
                "label": row.label, "runs": row.runs, "block": row.block, "pass": row.passed,
                "inconclusive": row.inconclusive, "mean_pairs": row.pairs, **row.figures,
            }
            for row in rows
        ],
    }  # fmt: skip
