"""What the report of a run without a gate says."""

from __future__ import annotations

from pathlib import Path

from perfgate.histogram import Histogram
from perfgate.interval import Interval, OperationInterval
from perfgate.operation import Operation
from perfgate.report import shared
from perfgate.report.document import Column, Document, Row, Section, Table
from perfgate.report.generator_block import generator, workers
from perfgate.report.spaces_block import spaces
from perfgate.report.words import run_sentence, run_verdict, sentence, short_operation, sparkline
from perfgate.run import BROKEN_OFF, RunRecord
from perfgate.segment import Arm
from perfgate.units import NS_PER_S, format_count, format_duration

TONES = {"DONE": "good", "LIMITS MISSED": "bad", "BROKEN OFF": "invalid", "INVALID": "invalid"}
QUANTILES = (0.5, 0.95, 0.99, 0.999)
TIMELINE_WIDTH = 60
_COLUMNS = (
    Column("operation"),
    *(Column(title, right=True) for title in ("answered", "a second", "p50", "p95", "p99")),
    Column("p99.9", right=True, dispensable=1),
    Column("max", right=True, dispensable=2),
    Column("failed", right=True),
)

WHY_TITLES = ("Broken off", "Why it cannot be trusted")
TIMELINE_TITLE = "p99 over time"


def run_document(record: RunRecord, directory: Path | None) -> Document:
    """directory: where the run's files are, when known."""
    word = run_verdict(record)
    interval = record.arms.get(Arm.BASE)
    sections = [Section(WHY_TITLES[0], lines=_why_broken(record))] if not record.complete else [_why_invalid(record)]
    if interval is not None:
        measured = record.measured_ns.get(Arm.BASE, 0)
        sections += [_latencies(interval, measured), spaces(record), _timeline(record), _answers(interval)]
    sections += [shared.failures(record), shared.limits(record)]
    sections.append(Section("Warnings", lines=tuple(text for text in record.warnings if not _ends(text))))
    facts = shared.delivered(record) if interval is not None else ()
    sections += [generator(record), Section("Can it be trusted?", facts=(*facts, *shared.phases(record)))]
    sections += [workers(record), shared.environment(record)]
    return Document(
        word=word,
        tone=TONES[word],
        headline=run_sentence(record),
        subtitle=shared.subtitle(record),
        sections=tuple(section for section in sections if not section.empty),
        closing=shared.closing(record, directory),
    )


def _why_broken(record: RunRecord) -> tuple[str, ...]:
    reasons = (sentence(text.removeprefix(BROKEN_OFF)) for text in record.warnings if _ends(text))
    return tuple(reasons) or ("It did not end in order.",)


def _ends(warning: str) -> bool:
    return warning.startswith(BROKEN_OFF)


def _why_invalid(record: RunRecord) -> Section:
    """As a gate's reasons: what it was, and what mends it."""
    lines = (f"{sentence(reason['text'])}\n→ {sentence(reason['remedy'])}" for reason in record.invalid)
    return Section(WHY_TITLES[1], lines=tuple(lines))


def _latencies(interval: Interval, measured_ns: int) -> Section:
    rows = tuple(row for name, part in interval.operations.items() for row in _rows(name, part, measured_ns))
    note = (
        "latencies are response times, from when a request was due to its reply, so that waiting behind a stall counts; "
        "service: from when it was sent."
    )
    return Section("Latencies", table=Table(_COLUMNS, rows), note=note)


def _rows(name: Operation, part: OperationInterval, measured_ns: int) -> tuple[Row, Row]:
    """Response times with the counts, and service times below."""
    rate = format_count(part.completed / (measured_ns / NS_PER_S)) if measured_ns else "–"
    counts, failed = (format_count(part.completed), rate), format_count(part.failures)
    tone = "bad" if part.failures else "strong"
    response = Row((short_operation(name.value), *counts, *_quantiles(part.response), failed), tone=tone)
    return response, Row(("· service", "", "", *_quantiles(part.service), ""))


def _quantiles(histogram: Histogram) -> tuple[str, ...]:
    if not histogram.total:
        return ("–",) * (len(QUANTILES) + 1)
    return (*map(format_duration, histogram.quantiles(QUANTILES)), format_duration(histogram.max_ns))


def _timeline(record: RunRecord) -> Section:
    """p99 second by second."""
    names = dict.fromkeys(name for second in record.timeline for name in second.p99_ns)
    rows = []
    for name in names:
        line = [second.p99_ns[name] for second in record.timeline if name in second.p99_ns]
        low, high = format_duration(min(line)), format_duration(max(line))
        rows.append(Row((short_operation(name), low, sparkline(line, TIMELINE_WIDTH), high)))
    columns = (Column("operation"), Column("least", right=True), Column("start to end"), Column("most", right=True))
    return Section(TIMELINE_TITLE, table=Table(columns, tuple(rows)))


def _answers(interval: Interval) -> Section:
    """What the deep checks of replies found."""
    facts = tuple(
        (short_operation(name.value), f"{format_count(part.found)} of {format_count(part.expected)} wanted memories "
         f"found ({part.found / part.expected * 100:.2f} %), {format_count(part.checked)} replies checked")
        for name, part in interval.operations.items()
        if part.expected
    )  # fmt: skip
    return Section("Answers (recall@k)", facts=facts)
