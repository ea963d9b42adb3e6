"""A competition's report: the verdict, who is ahead today, each store's frontier, the rules, and how to do it again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from perfgate.compete.facts import Facts
from perfgate.compete.frontiers import SEARCH, Frontier
from perfgate.compete.model import Measurement
from perfgate.compete.outcome import Outcome, Standing
from perfgate.compete.policy import STATISTICS, CompetePolicy
from perfgate.compete.rotation import block_length
from perfgate.compete.theta import OURS, Theta
from perfgate.gate.verdict import Word
from perfgate.report.document import Column, Document, Row, Section, Table
from perfgate.report.words import sentence, short_operation, short_percent
from perfgate.stats.frontier import between
from perfgate.units import NS_PER_S, format_bytes, format_count, format_duration, format_percent

TONES = {Word.PASS: "good", Word.BLOCK: "bad", Word.INCONCLUSIVE: "open", Word.INVALID: "invalid"}
KEPT = {True: "kept", False: "BROKEN", None: "stated"}


def compete_document(
    facts: Facts, measured: Measurement, policy: CompetePolicy, outcome: Outcome, directory: Path | None
) -> Document:
    word = outcome.verdict.word
    sections = (
        Section("Why", lines=tuple(_why(outcome))),
        _today(measured, policy, outcome),
        _losses(measured, policy, outcome),
        _at_recall(measured, policy, outcome),
        *(_frontier(measured, number, one) for number, one in enumerate(outcome.frontiers)),
        _rules(outcome),
        Section("Notes", lines=tuple(sentence(note) for note in outcome.notes)),
        _references(facts),
        _stores(measured),
        _loading(measured),
        Section("How to do it again", facts=tuple(_facts(facts, measured, policy))),
    )
    where = () if directory is None else (("report", str(directory / "report.md")),)
    return Document(
        word=word.value,
        tone=TONES[word],
        headline=headline(measured, policy, outcome),
        subtitle=subtitle(facts, measured),
        sections=tuple(section for section in sections if not section.empty),
        closing=(*where, ("again", facts.command)),
    )


def headline(measured: Measurement, policy: CompetePolicy, outcome: Outcome) -> str:
    """The verdict in one sentence, and how we stand today."""
    ours = measured.stores[OURS].label
    match outcome.verdict.word:
        case Word.INVALID:
            return f"No verdict on {ours}: this comparison cannot be trusted."
        case Word.BLOCK:
            return f"{ours} lost more than {short_percent(policy.margin)} against {_competitors(measured, outcome)}."
        case Word.PASS:
            return f"{ours} has not lost {short_percent(policy.margin)} against any competitor. {_ahead(measured, outcome)}"
        case _:
            return f"Whether {ours} lost {short_percent(policy.margin)} cannot be told. {_ahead(measured, outcome)}"


def subtitle(facts: Facts, measured: Measurement) -> str:
    when = datetime.fromtimestamp(measured.started_wall_ns / NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{facts.name} · {measured.rounds} rounds of {len(measured.stores)} stores · {when} · seed {facts.seed}"


def _competitors(measured: Measurement, outcome: Outcome) -> str:
    lost = [one for one in outcome.standings if one.loss and one.loss.word is Word.BLOCK]
    return ", ".join(dict.fromkeys(measured.stores[one.theta.competitor].label for one in lost))


def _ahead(measured: Measurement, outcome: Outcome) -> str:
    """Today, of the first judged metric."""
    first = next((one.theta.metric for one in outcome.standings if one.theta.judged), None)
    parts = [
        f"{_word(one.theta)} {measured.stores[one.theta.competitor].label}"
        for one in outcome.standings
        if one.theta.metric == first and one.theta.judged
    ]
    return f"Today {first}: {', '.join(parts)}." if parts else ""


def _word(theta: Theta) -> str:
    if theta.word == "level":
        return "level with"
    return f"{abs(math.expm1(theta.mean)) * 100:.0f} % {theta.word} than"


def _why(outcome: Outcome) -> Iterator[str]:
    for reason in outcome.verdict.reasons:
        yield sentence(reason.text) + (f"\n→ {sentence(reason.remedy)}" if reason.remedy else "")


def _today(measured: Measurement, policy: CompetePolicy, outcome: Outcome) -> Section:
    columns = (
        Column("against"), Column("metric"), Column("ours", right=True), Column("theirs", right=True),
        Column("we are"), Column("by", right=True), Column("interval", right=True), Column("rounds", right=True, dispensable=1),
    )  # fmt: skip
    rows = tuple(_today_row(measured, one.theta) for one in outcome.standings)
    at = f" at recall {policy.recall:g}" if SEARCH in measured.operations else ""
    note = (
        f"Latencies{at}, as geometric means over rounds. by: ours against theirs; interval: {short_percent(policy.confidence)} "
        "confidence for each figure by itself, today alone; judged metrics stand out."
    )
    return Section("Today", table=Table(columns, rows), note=note)


def _today_row(measured: Measurement, theta: Theta) -> Row:
    each = (_figure(theta, value) for value in (theta.ours, theta.theirs))
    tone = {"faster": "good", "slower": "bad"}.get(theta.word, "strong") if theta.judged else ""
    cells = (
        measured.stores[theta.competitor].label, _metric(theta), *each, theta.word, _change(theta.mean),
        f"{_change(theta.lower)} … {_change(theta.upper)}", str(theta.rounds),
    )  # fmt: skip
    return Row(cells, tone)


def _losses(measured: Measurement, policy: CompetePolicy, outcome: Outcome) -> Section:
    columns = (
        Column("against"), Column("version"), Column("metric"), Column("sessions", right=True), Column("lost", right=True),
        Column("interval", right=True), Column("finding"),
    )  # fmt: skip
    rows = tuple(_loss_row(measured, one) for one in outcome.standings if one.loss is not None)
    note = (
        f"lost: today against the mean of the stored sessions. BLOCK where all of the interval lies above "
        f"{short_percent(policy.margin)}, PASS where all of it lies below; it allows for all judged metrics together."
    )
    return Section("Against the stored sessions", table=Table(columns, rows), note=note)


def _loss_row(measured: Measurement, one: Standing) -> Row:
    loss, store = one.loss, measured.stores[one.theta.competitor]
    assert loss is not None
    if loss.word is None:
        cells = (
            store.label,
            _short(store.version),
            _metric(one.theta),
            str(loss.sessions),
            "–",
            "–",
            "too few sessions",
        )
        return Row(cells)
    interval = f"{_change(loss.lower)} … {_change(loss.upper)}"
    cells = (
        store.label,
        _short(store.version),
        _metric(one.theta),
        str(loss.sessions),
        _change(loss.loss),
        interval,
        loss.word.value,
    )
    return Row(cells, {Word.BLOCK: "bad", Word.PASS: "good"}.get(loss.word, "strong"))


def _at_recall(measured: Measurement, policy: CompetePolicy, outcome: Outcome) -> Section:
    """Every store at the wanted recall: what the table of a web page shows."""
    rows = tuple(_store_row(measured, number, one) for number, one in enumerate(outcome.frontiers))
    title = f"At recall {policy.recall:g}" if SEARCH in measured.operations else "Stores"
    operations = [
        f"{short_operation(one.value)} {statistic}" for one in measured.operations for statistic in STATISTICS
    ]
    columns = [
        Column("store"), Column("version"), Column("parameter"), *(Column(one, right=True) for one in operations),
        Column("recall", right=True), Column("median", right=True), Column("p10", right=True), Column("none", right=True),
        Column("requests/s", right=True),
    ]  # fmt: skip
    limit = policy.p99_limit_ns
    note = "recall over queries: its mean, median and tenth percentile (in tenths, rounded down), and the share that found none"
    if limit:
        note += f"; requests/s: held with every p99 within {format_duration(limit)}, to {short_percent(policy.rate_precision)}"
    return Section(title, table=Table(tuple(columns), rows), note=note + ".")


def _store_row(measured: Measurement, number: int, one: Frontier) -> Row:
    store = measured.stores[number]
    rates = [math.log(turn.rate) for turn in measured.turns if turn.store == number and turn.rate]
    rate = format_count(math.exp(float(np.median(rates)))) if rates else "–"
    rate = f"at least {rate}" if measured.at_top(number) else rate
    width = len(measured.operations) * len(STATISTICS)
    if one.at is None:
        return Row((store.label, _short(store.version), "recall not reached", *["–"] * (width + 4), rate))
    latencies = [
        format_duration(math.exp(float(np.nanmean(one.rounds(operation, statistic)))))
        if np.isfinite(one.rounds(operation, statistic)).any()
        else "–"
        for operation in measured.operations
        for statistic in STATISTICS
    ]
    low, high = one.spread[one.at.low], one.spread[one.at.high]
    recalls = ["–"] * 4
    if low is not None and high is not None:
        mean = between(one.pooled, one.at)
        figures = [
            (1 - one.at.weight) * a + one.at.weight * b for a, b in ((low.median, high.median), (low.p10, high.p10))
        ]
        zero = (1 - one.at.weight) * low.zero + one.at.weight * high.zero
        recalls = [f"{mean:.3f}", *(f"{figure:.2f}" for figure in figures), format_percent(zero)]
    return Row((store.label, _short(store.version), _value(measured, number, one), *latencies, *recalls, rate))


def _value(measured: Measurement, number: int, one: Frontier) -> str:
    store = measured.stores[number]
    if not store.parameter or one.at is None:
        return "–"
    low, high = store.values[one.at.low], store.values[one.at.high]
    return (
        f"{store.parameter} {low}"
        if one.at.low == one.at.high or one.at.weight == 0
        else f"{store.parameter} {low}–{high}"
    )


def _frontier(measured: Measurement, number: int, one: Frontier) -> Section:
    store = measured.stores[number]
    if SEARCH not in measured.operations:
        return Section("")
    columns = (
        Column(store.parameter or "value"), Column("recall", right=True), Column("median", right=True), Column("p10", right=True),
        Column("none", right=True), *(Column(f"search {statistic}", right=True) for statistic in STATISTICS), Column(""),
    )  # fmt: skip
    latencies = [one.latency(SEARCH, statistic) for statistic in STATISTICS]
    rows = []
    for value, name in enumerate(store.values):
        spread = one.spread[value]
        shares = (
            ["–"] * 4
            if spread is None
            else [f"{spread.mean:.3f}", f"{spread.median:.1f}", f"{spread.p10:.1f}", format_percent(spread.zero)]
        )
        word = one.faults[value] or ("" if value in one.kept else "beaten by another value")
        cells = (name or "–", *shares, *(format_duration(float(column[value])) for column in latencies), word)
        rows.append(Row(cells, "" if value in one.kept else "strong"))
    return Section(f"Frontier of {store.label} {store.version}", table=Table(columns, tuple(rows)), folded=True)


def _rules(outcome: Outcome) -> Section:
    facts = tuple((rule.name, f"{KEPT[rule.kept]}: {rule.text}") for rule in outcome.rules)
    return Section("Rules of a fair comparison", facts=facts)


def _references(facts: Facts) -> Section:
    columns = tuple(Column(title) for title in ("store", "what", "value", "setting", "source", "read on"))
    rows = tuple(
        Row((one.store, one.what, one.value, one.setting or "–", one.source, one.accessed)) for one in facts.references
    )
    note = (
        "Published by others on other machines and data: for orientation alone, no part of any comparison or verdict."
    )
    return Section("Published figures of others", table=Table(columns, rows), note=note if rows else "")


def _stores(measured: Measurement) -> Section:
    columns = tuple(Column(title) for title in ("store", "version", "licence", "durability", "target file"))
    rows = tuple(
        Row((one.label, one.version, one.licence or "–", one.durability, one.digest)) for one in measured.stores
    )
    return Section("Stores", table=Table(columns, rows), folded=True)


def _loading(measured: Measurement) -> Section:
    columns = (
        Column("store"), Column("memories", right=True), Column("batch", right=True), Column("connections", right=True),
        Column("start", right=True), Column("loading", right=True), Column("on disk", right=True),
    )  # fmt: skip
    rows = tuple(
        Row(
            (
                measured.stores[one.store].label, format_count(one.memories), str(measured.stores[one.store].batch),
                str(measured.stores[one.store].connections), format_duration(one.start_ns), format_duration(one.load_ns),
                format_bytes(one.bytes),
            )
        )
        for one in measured.loadings
    )  # fmt: skip
    return Section("Loading", table=Table(columns, rows), note="Once each, so not compared.", folded=True)


def _facts(facts: Facts, measured: Measurement, policy: CompetePolicy) -> Iterator[tuple[str, str]]:
    yield "perfgate", facts.perfgate
    yield "host", ", ".join(f"{name} {value}" for name, value in facts.host.items())
    yield "scenario", f"{facts.name}, digest {facts.scenario_digest}, seed {facts.seed}"
    yield (
        "rounds",
        (
            f"{measured.rounds}, their order balanced over {block_length(len(measured.stores))} and drawn from the seed, a fresh "
            "process each turn"
        ),
    )
    yield "each turn", _how(measured, policy)
    yield "took", ", ".join(f"{name} {format_duration(duration)}" for name, duration in measured.phases)


def _how(measured: Measurement, policy: CompetePolicy) -> str:
    most, measured_for = format_duration(policy.warmup_most_ns), format_duration(policy.measured_ns)
    warm = f"warm-up until stable, at most {most}; each value {measured_for}"
    if not measured.slice_ns:
        return f"{warm} after {format_duration(policy.settle_ns)} to settle"
    slices, dropped = (sum(getattr(turn, name) for turn in measured.turns) for name in ("slices", "dropped"))
    return (
        f"{warm} in slices of {format_duration(measured.slice_ns)} after {format_duration(policy.slice_settle_ns)} to settle, "
        f"store by store; {format_count(dropped)} of {format_count(slices)} slices dropped, in which the generator was late"
    )


def _short(version: str, most: int = 24) -> str:
    """Where there is little room; whole in the table of the stores."""
    return version if len(version) <= most else version[: most - 1] + "…"


def _metric(theta: Theta) -> str:
    return f"{short_operation(theta.operation.value)} {theta.statistic}" if theta.operation else theta.statistic


def _figure(theta: Theta, value: float) -> str:
    return format_duration(value) if theta.operation else f"{format_count(value)}/s"


def _change(log_ratio: float | None) -> str:
    if log_ratio is None or not math.isfinite(log_ratio) or log_ratio > 50:
        return "–"
    return format_percent(math.expm1(log_ratio), signed=True)
