"""The sections that a gate's report and a run's have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from perfgate.interval import Interval
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.report.document import Column, Row, Section, Table
from perfgate.report.words import quantity, report_path, reproduce, short_operation
from perfgate.run import RunRecord
from perfgate.segment import Arm
from perfgate.units import NS_PER_S, format_count, format_duration, format_percent


def limits(record: RunRecord) -> Section:
    """The scenario's absolute limits, and whether each arm meets them."""
    arms = [arm for arm in Arm if arm in record.builds]
    rows = [
        Row(
            (str(limit["name"]), quantity(limit["limit"], limit.get("unit", "")), *_met(limit, arms)),
            tone="" if all(limit.get(f"met_{arm.name.lower()}", True) for arm in arms) else "bad",
        )
        for limit in record.limits
    ]
    names = [arm.name.lower() for arm in arms] if len(arms) > 1 else ["measured"]
    columns = (Column("limit"), Column("set to", right=True), *(Column(name, right=True) for name in names))
    return Section("Limits of the scenario", table=Table(columns, tuple(rows)))


def _met(limit: Mapping[str, Any], arms: list[Arm]) -> list[str]:
    cells = []
    for arm in arms:
        name = arm.name.lower()
        met = "met" if limit.get(f"met_{name}", True) else "MISSED"
        cells.append(f"{quantity(limit.get(name), limit.get('unit', ''))} {met}")
    return cells


def failures(record: RunRecord) -> Section:
    """By operation and kind, with an example of each kind as the store sent it."""
    arms = tuple(record.arms)
    rows = []
    for name in sorted({name for interval in record.arms.values() for name in interval.operations}):
        for outcome in OUTCOMES[1:]:
            counts = [_count(record.arms[arm], name, outcome) for arm in arms]
            if any(counts):
                rows.append(Row((short_operation(name), outcome.label, *map(format_count, counts)), tone="bad"))
    names = [arm.name.lower() for arm in arms] if len(arms) > 1 else ["requests"]
    columns = (Column("operation"), Column("kind of failure"), *(Column(name, right=True) for name in names))
    examples = dict.fromkeys(example for interval in record.arms.values() for example in interval.examples)
    note = "\n".join(f"e.g. {_one_line(example)}" for example in examples)
    return Section("Failures", table=Table(columns, tuple(rows)), note=note if rows else "")


def _count(interval: Interval, name: Any, outcome: Outcome) -> int:
    part = interval.operations.get(name)
    return part.outcomes[outcome] if part else 0


def _one_line(text: str, at_most: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= at_most else line[: at_most - 1] + "…"


def delivered(record: RunRecord) -> tuple[tuple[str, str], ...]:
    """What was sent and answered: facts for each arm."""
    return (
        ("due requests sent", each_arm(record, lambda one, _: f"{format_count(one.sent)} of {format_count(one.due)}")),
        ("answered", each_arm(record, _rate)),
        ("failed", each_arm(record, lambda one, _: f"{format_count(one.failures)} ({_share(one)})")),
    )


def each_arm(record: RunRecord, say: Any) -> str:
    """`base 1, candidate 2`, or for a run just `1`."""
    parts = {arm: say(interval, record.measured_ns.get(arm, 0)) for arm, interval in record.arms.items()}
    if len(parts) == 1 and record.kind == "run":
        return str(next(iter(parts.values())))
    return "; ".join(f"{arm.name.lower()} {text}" for arm, text in parts.items()) or "–"


def _rate(interval: Interval, measured_ns: int) -> str:
    return f"{format_count(interval.completed / (measured_ns / NS_PER_S))}/s" if measured_ns else "–"


def _share(interval: Interval) -> str:
    return format_percent(interval.failures / interval.total) if interval.total else "–"


def phases(record: RunRecord) -> tuple[tuple[str, str], ...]:
    """Where the time went."""
    if not record.phases:
        return ()
    each = ", ".join(f"{name} {format_duration(duration)}" for name, duration in record.phases)
    return (("took", f"{format_duration(record.duration_ns)}: {each}"),)


def warnings(record: RunRecord) -> Section:
    return Section("Warnings", lines=record.warnings)


def environment(record: RunRecord) -> Section:
    """Where it was measured, flattened to one line a key."""
    facts = tuple(_flat("", record.environment))
    return Section("Environment", facts=facts, folded=True)


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [fact for key, inner in value.items() for fact in _flat(f"{prefix} {key}".strip(), inner)]
    if isinstance(value, list | tuple):
        return [(prefix, ", ".join(str(inner) for inner in value))]
    return [(prefix, str(value))]


def subtitle(record: RunRecord) -> str:
    """Scenario, target, when."""
    when = datetime.fromtimestamp(record.started_wall_ns / NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{record.name} · target {record.target} · {when} · seed {record.seed}"


def closing(record: RunRecord, directory: Path | None) -> tuple[tuple[str, str], ...]:
    """What is copied as it is: paths and commands."""
    where = () if directory is None else (("report", report_path(directory)),)
    return (*where, ("again", reproduce(record)))
