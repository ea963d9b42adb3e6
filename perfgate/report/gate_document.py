"""What a gate's report says, in the order in which a person with a red build asks."""

from __future__ import annotations

import math
from pathlib import Path

from perfgate.gate.comparison import Comparison
from perfgate.gate.effect import Effect, Finding
from perfgate.gate.verdict import Reason, Word
from perfgate.report import shared
from perfgate.report.commits import compared, search
from perfgate.report.document import Column, Document, Row, Section, Table
from perfgate.report.generator_block import generator, workers
from perfgate.report.spaces_block import spaces
from perfgate.report.words import (
    FINDINGS,
    bounds,
    change,
    detectable,
    headline,
    ratio,
    sentence,
    short_operation,
    short_percent,
    sparkline,
    values,
)
from perfgate.run import RunRecord

TONES = {Word.PASS: "good", Word.BLOCK: "bad", Word.INCONCLUSIVE: "open", Word.INVALID: "invalid"}
ROW_TONES = {Finding.REGRESSED: "bad", Finding.IMPROVED: "good"}


def gate_document(record: RunRecord, comparison: Comparison, directory: Path | None) -> Document:
    """directory: where the run's files are, when known."""
    word = comparison.verdict.word
    sections = (
        _partial(record, comparison),
        Section("Why", lines=tuple(_reason(reason) for reason in comparison.verdict.reasons)),
        compared(record),
        _help(comparison),
        _effects(record, comparison),
        spaces(record),
        shared.failures(record),
        shared.limits(record),
        shared.warnings(record),
        generator(record),
        Section("Can it be trusted?", facts=_evidence(record, comparison), lines=comparison.notes),
        _pairs(record),
        workers(record),
        shared.environment(record),
    )
    return Document(
        word=word.value,
        tone=TONES[word],
        headline=headline(record, comparison),
        subtitle=shared.subtitle(record),
        sections=tuple(section for section in sections if not section.empty),
        closing=(*shared.closing(record, directory), *search(record, comparison)),
    )


def _partial(record: RunRecord, comparison: Comparison) -> Section:
    """Only when it was broken off."""
    if record.complete:
        return Section("")
    pairs = "1 pair" if comparison.pairs == 1 else f"{comparison.pairs or 'no'} pairs"
    return Section("Broken off", lines=(f"These are partial data: {pairs} had been measured.",))


def _reason(reason: Reason) -> str:
    remedy = f"\n→ {sentence(reason.remedy)}" if reason.remedy else ""
    return sentence(reason.text) + remedy


def _help(comparison: Comparison) -> Section:
    """After INCONCLUSIVE: which metrics were in the way and what would decide them."""
    if comparison.verdict.word is not Word.INCONCLUSIVE:
        return Section("")
    policy = comparison.policy
    lines = [
        f"{effect.name}: the change lies in {bounds(effect)} and the margin is {short_percent(effect.margin)}; "
        f"with this noise a regression is blocked four times in five from {detectable(effect)} on."
        for effect in comparison.effects
        if effect.primary and effect.finding is Finding.OPEN and effect.statistic.startswith("p")
    ]
    if comparison.pairs < policy.looks[-1] and comparison.look == len(policy.looks):
        lines.append(
            f"{policy.looks[-1] - comparison.pairs} of {policy.looks[-1]} pairs did not count, since the host or the generator "
            "was disturbed: measure on a quieter one."
        )
    elif comparison.pairs < policy.looks[-1]:
        lines.append(
            f"It ended after {comparison.pairs} of at most {policy.looks[-1]} pairs: a longer --time-limit allows more."
        )
    lines.append(
        "A quieter host, or one of its own for load and stores, narrows every interval; "
        "more load in a pair narrows it where the store is fast and requests are few."
    )
    between = next((share for source, share in comparison.variance if source.startswith("between")), 0.0)
    if between > 0.5:
        lines.append("Most of the noise comes from restarts of the process: only more pairs help, not longer ones.")
    return Section("What would help", lines=tuple(lines))


def _effects(record: RunRecord, comparison: Comparison) -> Section:
    rows = tuple(_row(effect) for effect in comparison.effects)
    return Section("Metrics", table=Table(_columns(comparison.policy.primary), rows))


def _columns(primary: str) -> tuple[Column, ...]:
    return (
        Column("metric"),
        Column("base", right=True),
        Column("candidate", right=True),
        Column("change", right=True, meaning="candidate against base, a trimmed mean over pairs"),
        Column("interval", right=True, meaning="allows for every look at the data"),
        Column(
            "finding",
            meaning=f"clear of the margin, REGRESSED, or open (neither is shown), and each {primary} must be clear to pass",
        ),
        Column("each pair", dispensable=2, meaning="the pairs' own changes in order"),
        Column("would see", right=True, dispensable=1, meaning="the true change that is blocked four times in five"),
    )


def _row(effect: Effect) -> Row:
    statistic = "recall@k" if effect.statistic == "recall" else effect.statistic  # an operation is called recall, too
    name = f"{short_operation(effect.operation.value) if effect.operation else 'all'} {statistic}"
    base, candidate = values(effect)
    cells = (
        name,
        base,
        candidate,
        ratio(effect),
        bounds(effect),
        FINDINGS[effect.finding],
        sparkline(effect.per_pair, 10),
        detectable(effect),
    )
    return Row(cells, tone=ROW_TONES.get(effect.finding, "strong" if effect.primary else ""))


def _evidence(record: RunRecord, comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """What a careful reader checks before believing a verdict."""
    used = sum(int(pair.get("couples", 0)) for pair in record.pairs)
    dropped = sum(int(pair.get("dropped", 0)) for pair in record.pairs)
    kinds = sorted({str(kind) for pair in record.pairs for kind in pair.get("drop_reasons", ())})
    why = f" ({', '.join(kinds)})" if kinds else ""
    facts = [("pairs", f"{comparison.pairs} of at most {comparison.policy.looks[-1]}, look {comparison.look}")]
    if record.pairs:
        facts.append(("couples of slices", f"{used:,} used, {dropped:,} dropped{why}"))
    if record.arms:
        facts += shared.delivered(record)
    if comparison.variance:
        shares = ", ".join(
            f"{source} {share * 100:.0f} %" for source, share in comparison.variance if math.isfinite(share)
        )
        facts.append(("noise comes from", shares))
    mode = ", both builds loaded at once (duet)" if comparison.policy.mode == "duet" else ""
    facts.append(("policy", f"{comparison.policy.name}, margin {short_percent(comparison.policy.margin)}{mode}"))
    return (*facts, *shared.phases(record))


def _pairs(record: RunRecord) -> Section:
    """Every pair by itself, for whoever doubts the summary."""
    names = list(
        dict.fromkeys(name for pair in record.pairs for name in pair.get("effects", {}) if name.endswith("p99"))
    )
    columns = (
        Column("pair", right=True),
        Column("couples", right=True),
        Column("dropped", right=True),
        *(Column(name, right=True) for name in names),
    )
    rows = tuple(
        Row(
            (
                str(int(pair.get("number", 0)) + 1),
                str(pair.get("couples", "–")),
                str(pair.get("dropped", "–")),
                *(_percent(pair.get("effects", {}).get(name)) for name in names),
            )
        )
        for pair in record.pairs
    )
    return Section("Pair by pair", table=Table(columns, rows), folded=True)


def _percent(log_ratio: float | None) -> str:
    return "–" if log_ratio is None else change(log_ratio)
