"""Trends as a table: a row a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perfgate.report.document import Column, Row, Table
from perfgate.trend.outlook import Outlook
from perfgate.units import format_percent

_COLUMNS = (
    Column("metric"), Column("commits", right=True), Column("newest", right=True), Column("interval", right=True),
    Column("4-week mean", right=True), Column("a month", right=True), Column("jumps at"),
)  # fmt: skip


def trend_table(outlooks: Sequence[Outlook]) -> Table:
    """Newest: the last commit against the anchor, with its interval of 95 %."""
    return Table(_COLUMNS, tuple(_row(one) for one in outlooks))


def _row(of: Outlook) -> Row:
    value, reach = float(of.series.values[-1]), float(of.series.reach()[-1])
    jumps = ", ".join(f"{one.commit[:12]} {_percent(one.step)}" for one in of.changes)
    cells = (
        of.series.metric, str(len(of.series)), _percent(value), f"[{_percent(value - reach)}, {_percent(value + reach)}]",
        _percent(float(of.mean[-1])), "–" if of.slope is None else _percent(of.slope.estimate), jumps or "–",
    )  # fmt: skip
    return Row(cells, tone="bad" if of.alert else "")


def _percent(log_ratio: float) -> str:
    return format_percent(math.expm1(log_ratio), signed=True)
