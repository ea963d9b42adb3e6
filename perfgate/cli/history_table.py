"""The list of runs as a table."""

from __future__ import annotations

from collections.abc import Sequence

from perfgate.history.summary import Summary
from perfgate.report.document import Column, Row, Table
from perfgate.report.words import change
from perfgate.units import format_duration

_ID_DIGITS = 8
_TONES = {"PASS": "good", "DONE": "good", "BLOCK": "bad", "LIMITS MISSED": "bad"}
_COLUMNS = (
    Column("id"), Column("begun (UTC)"), Column("kind", dispensable=5), Column("verdict"), Column("scenario"),
    Column("target", dispensable=2), Column("builds"), Column("change", right=True), Column("pairs", right=True, dispensable=3),
    Column("took", right=True, dispensable=4), Column("host", dispensable=1),
    Column("why", dispensable=6),
)  # fmt: skip


def runs_table(runs: Sequence[Summary]) -> Table:
    """A row a run."""
    digits = id_digits([one.id for one in runs])
    return Table(_COLUMNS, tuple(_row(one, digits) for one in runs))


def id_digits(ids: Sequence[str]) -> int:
    """As few as tell these apart, at least 8."""
    return next((n for n in range(_ID_DIGITS, 16) if len({one[:n] for one in ids}) == len(ids)), 16)


def _row(one: Summary, digits: int) -> Row:
    cells = (
        one.id[:digits], one.started.strftime("%Y-%m-%d %H:%M"), one.kind, one.verdict, one.scenario, one.target,
        one.base or "–" if one.candidate is None else f"{one.base} → {one.candidate}",
        "–" if one.estimate is None else f"{(one.metric or '').rpartition(' ')[2]} {change(one.estimate)}",
        str(one.pairs) if one.policy is not None else "–", format_duration(one.duration_ns), one.host, _why(one),
    )  # fmt: skip
    return Row(cells, tone=_TONES.get(one.verdict, ""))


def _why(one: Summary) -> str:
    """The first reason, as short as it can be; a pass needs none."""
    if not one.reasons or one.verdict == "PASS":
        return ""
    first = one.reasons[0]
    return f"{first['code']} {first.get('metric', '')}".strip()
