"""What a soak says, so far or at its end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from perfgate.report.document import Column, Document, Row, Section, Table
from perfgate.report.run_document import TIMELINE_TITLE, WHY_TITLES, run_document
from perfgate.report.words import DONE, LIMITS_MISSED, short_operation, sparkline
from perfgate.run import RunRecord
from perfgate.soak.checkpoint import Checkpoint, PeriodLine
from perfgate.soak.drift import CONFIDENCE, Motion
from perfgate.soak.findings import MATTERS, Finding
from perfgate.units import NS_PER_S, format_bytes, format_count, format_duration, format_percent

SHOWN = 24
"""Periods that are listed: the first, the last, and evenly between."""
WIDTH = 40
TONES = {Motion.RISES: "bad", Motion.FALLS: "", Motion.STEADY: "good", Motion.OPEN: ""}


@dataclass(frozen=True, slots=True)
class Pace:
    """In what a slope is told: a word, and how many of it make an hour. A run of a minute is not extrapolated to hours."""

    word: str
    an_hour: float


def pace_of(elapsed_ns: int) -> Pace:
    """The largest unit of which the time so far holds two or more."""
    if elapsed_ns >= 2 * 3_600 * NS_PER_S:
        return Pace("an hour", 1)
    return Pace("a minute", 60) if elapsed_ns >= 120 * NS_PER_S else Pace("a second", 3_600)


def soak_document(checkpoint: Checkpoint, directory: Path | None = None) -> Document:
    """directory: where the run's files are, when known."""
    word, tone = _word(checkpoint)
    sections = (_drifts(checkpoint), _periods(checkpoint), _over_time(checkpoint), _events(checkpoint))
    return Document(
        word=word,
        tone=tone,
        headline=_headline(checkpoint),
        subtitle=f"{checkpoint.name} · target {checkpoint.target} · {checkpoint.build} · seed {checkpoint.seed}",
        sections=tuple(section for section in sections if not section.empty),
        closing=() if directory is None else (("look again", f"perfgate soak --show {directory}"),),
    )


def soak_end_document(record: RunRecord, checkpoint: Checkpoint, directory: Path | None = None) -> Document:
    """The whole of a soak that has ended, under one verdict: the run's where that already says that something is wrong, or
    else what moved. The exit code says the same."""
    run, soak = run_document(record, directory), soak_document(checkpoint, directory)
    run_says = run.word != DONE and not (run.word == LIMITS_MISSED and checkpoint.rising)
    first, second = (run, soak) if run_says else (soak, run)
    why = tuple(one for one in run.sections if one.title in WHY_TITLES)
    rest = tuple(one for one in run.sections if one not in why and one.title != TIMELINE_TITLE)  # periods show it
    return Document(
        word=first.word,
        tone=first.tone,
        headline=f"{first.headline} {second.headline}",
        subtitle=f"{run.subtitle} · {checkpoint.build}",
        sections=(*why, *soak.sections, *rest),
        closing=(*run.closing, *(("show", text) for _, text in soak.closing)),
    )


def _word(checkpoint: Checkpoint) -> tuple[str, str]:
    if checkpoint.rising:
        return "CREEPS", "bad"
    if checkpoint.state not in ("running", "ended"):
        return "BROKEN OFF", "invalid"
    if checkpoint.state == "running":
        return "RUNNING", "open"
    steady = checkpoint.findings and all(_is_settled(one) for one in checkpoint.findings)
    return ("STEADY", "good") if steady else ("CANNOT TELL", "open")


def _is_settled(one: Finding) -> bool:
    return one.motion is not Motion.OPEN


def _headline(checkpoint: Checkpoint) -> str:
    done = f"{format_duration(checkpoint.elapsed_ns)} of {format_duration(checkpoint.duration_ns)}"
    state = "" if checkpoint.state in ("running", "ended") else f" It was broken off: {checkpoint.state}."
    if checkpoint.rising:
        pace = pace_of(checkpoint.elapsed_ns)
        names = ", ".join(f"{_name(one)} {_slope(one, pace)} {pace.word}" for one in checkpoint.rising[:3])
        return f"After {done}: {names}.{state}"
    open_ones = [one for one in checkpoint.findings if one.motion is Motion.OPEN]
    if not checkpoint.findings or open_ones:
        return f"After {done} nothing is shown to creep or leak, but not everything that its absence takes.{state}"
    return f"After {done} nothing creeps and nothing leaks.{state}"


def _drifts(checkpoint: Checkpoint) -> Section:
    pace = pace_of(checkpoint.elapsed_ns)
    rows = tuple(_drift_row(one, pace) for one in checkpoint.findings)
    columns = (
        Column("what"), Column("level", right=True), Column(pace.word, right=True), Column("interval", right=True),
        Column("over the run", right=True), Column("finding"),
    )  # fmt: skip
    note = (
        f"a straight line through the periods, the first left out; interval: {CONFIDENCE * 100:.0f} %, allowing for periods "
        f"that follow each other; what changes by less than {MATTERS * 100:.0f} % over the run is steady. Memory that grows "
        "with what is stored is no leak by itself: see the bytes for each memory stored."
    )
    return Section("What moves", table=Table(columns, rows), note=note if rows else "")


def _drift_row(one: Finding, pace: Pace) -> Row:
    line = one.drift
    if line is None:
        return Row((_name(one), "–", "–", "–", "–", "too few periods"))
    level = format_duration(math.exp(line.level)) if one.unit == "log ns" else format_bytes(line.level)
    interval = f"{_by(one, line.lower / pace.an_hour)} … {_by(one, line.upper / pace.an_hour)}"
    finding = one.motion.value
    if one.per_store is not None:
        finding += f", {one.per_store:,.0f} bytes a memory stored"
    tone = TONES[one.motion] if one.per_store is None or one.motion is not Motion.RISES else ""
    return Row(
        (_name(one), level, _slope(one, pace), interval, _by(one, line.per_hour * line.hours), finding), tone=tone
    )


def _name(one: Finding) -> str:
    operation, _, rest = one.what.partition(" ")
    return f"{short_operation(operation)} {rest}".strip()


def _slope(one: Finding, pace: Pace) -> str:
    return _by(one, one.drift.per_hour / pace.an_hour) if one.drift else "–"


def _by(one: Finding, amount: float) -> str:
    """A change in the unit of the finding, signed."""
    if not math.isfinite(amount):
        return "∞"
    if one.unit == "log ns":
        return format_percent(math.expm1(min(amount, 50.0)), signed=True)
    return f"{'-' if amount < 0 else '+'}{format_bytes(abs(amount))}"


def _periods(checkpoint: Checkpoint) -> Section:
    names = list(dict.fromkeys(name for line in checkpoint.periods for name in line.quantiles_ns))
    columns = (
        Column("from", right=True), Column("a second", right=True), Column("failed", right=True),
        *(Column(f"{short_operation(name)} {which}", right=True, dispensable=0 if which == "p99" else 1)
          for name in names for which in ("p50", "p99")),
        Column("memory", right=True), Column("disk", right=True), Column("store's CPU", right=True, dispensable=2),
    )  # fmt: skip
    places = _spread(len(checkpoint.periods), SHOWN)
    rows = [_period_row(checkpoint, place, names) for place in places]
    left = len(checkpoint.periods) - len(places)
    note = f"{left} more periods lie between; checkpoint.json has all of them." if left else ""
    return Section(f"Every {format_duration(checkpoint.period_ns)}", table=Table(columns, tuple(rows)), note=note)


def _period_row(checkpoint: Checkpoint, place: int, names: list[str]) -> Row:
    line = checkpoint.periods[place]
    before = checkpoint.periods[place - 1] if place else None
    seconds = max(1e-9, (line.end_ns - line.start_ns) / NS_PER_S)
    times = [value for name in names for value in line.quantiles_ns.get(name, (math.nan, math.nan))]
    cells = (
        format_duration(line.start_ns), format_count(line.completed / seconds), format_count(line.failed),
        *map(format_duration, times), format_bytes(line.rss_bytes) if line.rss_bytes else "–",
        format_bytes(line.disk_bytes) if line.disk_bytes else "–", _busy(line, before, seconds),
    )  # fmt: skip
    return Row(cells, tone="bad" if line.failed else "")


def _busy(line: PeriodLine, before: PeriodLine | None, seconds: float) -> str:
    """Cores that the store used on average."""
    if before is None or not before.cpu_ns or line.cpu_ns < before.cpu_ns:
        return "–"
    return f"{(line.cpu_ns - before.cpu_ns) / NS_PER_S / seconds:.2f} cores"


def _spread(count: int, most: int) -> list[int]:
    return (
        sorted({round(place * (count - 1) / (most - 1)) for place in range(most)})
        if count > most
        else list(range(count))
    )


def _over_time(checkpoint: Checkpoint) -> Section:
    names = list(dict.fromkeys(name for line in checkpoint.periods for name in line.quantiles_ns))
    lines = {
        f"{short_operation(name)} p99": [
            line.quantiles_ns[name][1] for line in checkpoint.periods if name in line.quantiles_ns
        ]
        for name in names
    }
    lines["memory"] = [line.rss_bytes for line in checkpoint.periods if line.rss_bytes]
    rows = [Row((name, sparkline(values, WIDTH))) for name, values in lines.items() if len(values) > 1]
    return Section("Over time", table=Table((Column("what"), Column("start to end")), tuple(rows)))


def _events(checkpoint: Checkpoint) -> Section:
    rows = tuple(
        Row((format_duration(one.start_ns), format_duration(one.end_ns - one.start_ns), one.kind, one.text))
        for one in checkpoint.events
    )
    columns = (Column("at", right=True), Column("for", right=True), Column("what"), Column("details"))
    note = f"{checkpoint.events_dropped} earlier ones were too many to keep." if checkpoint.events_dropped else ""
    return Section("Events", table=Table(columns, rows), note=note)
