"""What each group of memory spaces saw: a section of a run's report and of a gate's."""

from __future__ import annotations

from perfgate.histogram import Histogram
from perfgate.interval import OperationInterval, merge_operations
from perfgate.operation import Operation
from perfgate.report.document import Column, Row, Section, Table
from perfgate.report.words import short_operation
from perfgate.run import RunRecord
from perfgate.segment import Arm
from perfgate.units import NS_PER_S, format_count, format_duration

NOTE = "response times, as above, by memory space; spaces that are asked least are joined where there are more than 16."
_FIGURES = ("answered", "a second", "p50", "p99")


def spaces(record: RunRecord) -> Section:
    """A row a group and arm, and one for each operation where there are few groups; empty without `[spaces]`."""
    arms = [arm for arm in Arm if arm in record.arms and record.arms[arm].spaces]
    if not arms:
        return Section("")
    names = sorted({name for arm in arms for name in record.arms[arm].spaces}, key=_order)
    rows = [row for name in names for arm in arms for row in _rows(record, arm, name, len(arms) > 1)]
    build = (Column("arm"),) if len(arms) > 1 else ()
    figures = [Column(title, right=True) for title in _FIGURES]
    columns = (Column("space"), *build, *figures, *_operation_columns(record), Column("failed", right=True))
    return Section("Memory spaces", table=Table(columns, tuple(rows)), note=NOTE)


def _order(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (1 << 30, name)


def _operations(record: RunRecord) -> list[Operation]:
    return list(merge_operations(interval.operations for interval in record.arms.values()))


def _operation_columns(record: RunRecord) -> list[Column]:
    """The p99 of each operation, the last ones first to go."""
    names = _operations(record)
    return [
        Column(f"{short_operation(name.value)} p99", right=True, dispensable=at + 1) for at, name in enumerate(names)
    ]


def _rows(record: RunRecord, arm: Arm, name: str, named: bool) -> list[Row]:
    parts = record.arms[arm].spaces.get(name, {})
    whole = OperationInterval.merge(parts.values())
    measured = record.measured_ns.get(arm, 0)
    rate = format_count(whole.completed / (measured / NS_PER_S)) if measured else "–"
    each = [_quantile(parts[one].response if one in parts else Histogram.empty(), 0.99) for one in _operations(record)]
    cells = (
        name, *((arm.name.lower(),) if named else ()), format_count(whole.completed), rate,
        _quantile(whole.response, 0.5), _quantile(whole.response, 0.99), *each, format_count(whole.failures),
    )  # fmt: skip
    return [Row(cells, tone="bad" if whole.failures else "")]


def _quantile(histogram: Histogram, share: float) -> str:
    return format_duration(histogram.quantile(share)) if histogram.total else "–"
