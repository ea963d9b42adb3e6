"""What the doctor's page says. It arranges what the diagnosis holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from perfgate.doctor.check import Check, State
from perfgate.doctor.diagnosis import Diagnosis, Fitness, Spectrum, Subject, reference
from perfgate.doctor.interruptions import Interruptions
from perfgate.doctor.resolution import Sight
from perfgate.doctor.spectrum import LEAST_EVENTS, Octave
from perfgate.gate.pair_effect import STATISTICS
from perfgate.report.document import Column, Document, Row, Section, Table
from perfgate.report.words import BARS, sentence, short_operation
from perfgate.units import NS_PER_S, format_count, format_duration, format_percent

TONES = {Fitness.FIT: "good", Fitness.COARSE: "open", Fitness.UNFIT: "bad"}
ROW_TONES = {State.GOOD: "", State.FAIR: "strong", State.BAD: "bad", State.UNKNOWN: ""}
FLOOR = 1e-4
"""Powers less than this share of the greatest are drawn as the smallest bar."""


def diagnosis_document(found: Diagnosis) -> Document:
    """The fitness first, then what can be seen, then the measurements, the host, and what to change."""
    wanting = [check for check in found.checks if check.state in (State.BAD, State.FAIR) and check.remedy]
    wanting.sort(key=lambda check: check.state is not State.BAD)
    sections = (
        Section("Why", lines=tuple(sentence(reason) for reason in found.reasons)),
        _resolution(found),
        _generator(found),
        _noise(found),
        _host(found),
        Section("What to change", lines=tuple(_change(number, check) for number, check in enumerate(wanting, 1))),
    )
    return Document(
        word=found.fitness.value,
        tone=TONES[found.fitness],
        headline=headline(found),
        subtitle=_subtitle(found.subject),
        sections=tuple(section for section in sections if not section.empty),
        closing=tuple((f"{number}", check.command) for number, check in enumerate(wanting, 1) if check.command),
    )


def headline(found: Diagnosis) -> str:
    """The diagnosis in one sentence."""
    subject, seen = found.subject, reference(found.sights, found.subject)
    rate = f"{format_count(subject.rate)} requests a second"
    least = seen.here[subject.policy.primary] if seen else None
    if found.fitness is Fitness.UNFIT:
        return f"This host cannot measure at {rate} as it is."
    if seen is None or least is None:
        return f"At {rate} nothing can be said about what a gate on this host would see."
    what = f"a {subject.policy.primary} that is {format_percent(least)} worse"
    only = "only " if found.fitness is Fitness.COARSE and _primary_too_coarse(found) else ""
    return (
        f"At {rate} a gate on this host {only}sees {what} (store with a p99 of {format_duration(seen.store_p99_ns)})."
    )


def _primary_too_coarse(found: Diagnosis) -> bool:
    policy, seen = found.subject.policy, reference(found.sights, found.subject)
    least = seen.here[policy.primary] if seen else None
    return least is None or least > policy.margin * policy.operation_margin_factor


def _subtitle(subject: Subject) -> str:
    when = datetime.fromtimestamp(subject.started_wall_ns / NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{subject.scenario or 'small requests'} · {subject.host} · {subject.cpu} · {when}"


# --- what can be seen ------------------------------------------------------------------------------------------


def _resolution(found: Diagnosis) -> Section:
    sights = found.sights
    if not sights:
        return Section("What a gate sees here")
    columns = (
        Column("policy"), Column("store's p99", right=True), *(Column(name, right=True) for name in STATISTICS),
        Column("on a silent host", right=True), Column("restarts 3 % apart", right=True, dispensable=1),
    )  # fmt: skip
    rows = tuple(
        Row((
            one.policy, format_duration(one.store_p99_ns), *(_worse(one.here[name]) for name in STATISTICS),
            f"{one.primary} {_worse(one.silent[one.primary])}", f"{one.primary} {_worse(one.typical[one.primary])}",
        ), tone="strong" if one is reference(sights, found.subject) else "")
        for one in sights
    )  # fmt: skip
    note = (
        "The least change that 4 gates in 5 block. It rests on the noise measured here, on the gate's own functions and on "
        "imagined stores; restarts are taken to differ by 1 %. Left out: what your store's processes really differ by from "
        "start to start, its own queues, and that a busier store meets more of the host's noise."
    )
    return Section("What a gate sees here", lines=tuple(_in_words(found)), table=Table(columns, rows), note=note)


def _in_words(found: Diagnosis) -> Iterator[str]:
    """Can and cannot, for the scenario's own policy."""
    seen = reference(found.sights, found.subject)
    if seen is None:
        return
    store = f"a store whose p99 is {format_duration(seen.store_p99_ns)}"
    operation = f" of {short_operation(seen.operation.value)}" if found.subject.operations > 1 else ""
    primary = seen.here[seen.primary]
    others = [f"a {name} by {_worse(seen.here[name])}" for name in STATISTICS if name != seen.primary]
    if primary is None:
        yield f"Can: nothing; {seen.requests:,} requests a build and pair are too few for {store}."
        return
    yield (
        f"Can: with the {seen.policy} policy and {store}, 4 gates in 5 block a {seen.primary}{operation} that is worse by "
        f"{_worse(primary)}, {' and '.join(others)} ({seen.requests:,} requests a build and pair)."
    )
    if found.own and found.own.difference_share >= 1:
        yield "Cannot: for a p99 of 1 ms, 5 % is less than what the generator itself puts on one build and not the other."
    yield (
        f"Cannot: a {seen.primary} that is worse by less than that mostly stays undecided or passes, and one within the "
        f"margin of {format_percent(seen.margin)} is meant to pass."
    )
    yield _host_cost(seen)


def _host_cost(seen: Sight) -> str:
    """How much of it is the host's doing."""
    here, silent = seen.here[seen.primary], seen.silent[seen.primary]
    if here is None or silent is None:
        return "A silent host would not see more: there are too few requests."
    if here - silent < 0.001:
        return "A silent host would see no more: what limits the gate is the number of requests and of pairs."
    return f"A silent host would see {_worse(silent)}: this one costs {(here - silent) * 100:.1f} points."


def _worse(change: float | None) -> str:
    return "–" if change is None else format_percent(change, signed=True)


# --- what was measured -----------------------------------------------------------------------------------------


def _generator(found: Diagnosis) -> Section:
    echo = found.echo
    if echo is None or not echo.total.lag.total:
        return Section("The generator")
    lag = echo.total.lag
    p50, p99, p999 = map(format_duration, lag.quantiles([0.5, 0.99, 0.999]))
    facts = [("sent late by", f"p50 {p50}, p99 {p99}, p99.9 {p999}, at most {format_duration(lag.max_ns)}")]
    for name, part in echo.total.operations.items():
        if part.response.total:
            least, usual, most = part.response.min_ns, *part.response.quantiles([0.5, 0.99])
            facts.append((
                f"{short_operation(name.value)} answered in",
                f"at least {format_duration(least)}, usually {format_duration(usual)}, p99 {format_duration(most)}",
            ))  # fmt: skip
    if found.own:
        facts.append(("its own error", _own_error(found)))
    cpu = sum(report.cpu_ns for report in echo.reports) / max(1, echo.total.completed)
    switches = sum(report.involuntary_switches for report in echo.reports)
    facts.append(
        (
            "load worker",
            f"{format_duration(cpu)} of processor time a request (with warm-up), {switches:,} times displaced",
        )
    )
    return Section(f"The generator, against an echo, {format_duration(echo.measured_ns)}", facts=tuple(facts))


def _own_error(found: Diagnosis) -> str:
    own = found.own
    assert own is not None
    return (
        f"its lags add {format_duration(own.added_ns)} to a p99 of 1 ms, to both builds alike, and "
        f"{format_duration(own.difference_share * own.target_ns)} at most (95 %) to one and not the other: "
        f"{format_percent(own.difference_share)} of the {format_duration(own.target_ns)} that a regression of 5 % is"
    )


def _noise(found: Diagnosis) -> Section:
    heard = found.stillness.noise
    columns = (
        Column("processor"), Column("interrupted for"), Column("times a second", right=True),
        Column("longest", right=True), Column("of the time", right=True),
    )  # fmt: skip
    rows = tuple(
        Row((
            "any" if one.cpu is None else str(one.cpu), band.name, _rate(band.a_second),
            format_duration(band.longest_ns) if band.count else "–", f"{band.share * 100:.3f} %",
        ))
        for one in heard
        for band in one.bands()
    )  # fmt: skip
    facts = [fact for one, spectrum in zip(heard, found.spectra, strict=True) for fact in _spectrum(one, spectrum)]
    culprits = found.stillness.culprits
    busy = ", ".join(f"{one.name} (pid {one.pid}) {format_percent(one.share)}" for one in culprits)
    facts.append(("other processes", f"{busy} of a processor" if culprits else "none used 0.5 % of a processor"))
    stolen = (
        "not told by this kernel" if found.stolen is None else f"{found.stolen * 100:.3f} % of all processors' time"
    )
    facts.append(("stolen", stolen))
    span = format_duration(max((one.span_ns for one in heard), default=0))
    return Section(f"Noise on a processor at rest, {span}", table=Table(columns, rows), facts=tuple(facts))


def _spectrum(one: Interruptions, spectrum: Spectrum) -> Iterator[tuple[str, str]]:
    place = "" if one.cpu is None else f" {one.cpu}"
    if any(octave.power > 0 for octave in spectrum.octaves):
        slow, fast = spectrum.octaves[0].most_hz, spectrum.octaves[-1].most_hz
        yield f"spectrum{place}", f"{slow:.2g} Hz {bars(spectrum.octaves)} {fast:.0f} Hz, an octave a bar"
    if spectrum.period:
        period = spectrum.period
        yield (
            f"period{place}",
            (
                f"{format_percent(period.in_step)} of the interruptions keep step, one every "
                f"{format_duration(period.period_ns)} ({period.hz:.3g} Hz)"
            ),
        )
    else:
        few = len(one.starts_ns) < LEAST_EVENTS
        yield f"period{place}", "too few interruptions to tell" if few else "none: the interruptions keep no step"


def bars(octaves: tuple[Octave, ...]) -> str:
    """Powers on a logarithmic scale of four decades below the greatest."""
    top = max(octave.power for octave in octaves)
    heights = [math.log10(max(octave.power / top, FLOOR) / FLOOR) / -math.log10(FLOOR) for octave in octaves]
    return "".join(BARS[min(len(BARS) - 1, int(height * len(BARS)))] for height in heights)


def _rate(a_second: float) -> str:
    return "0" if a_second == 0 else f"{a_second:.2f}" if a_second < 100 else format_count(a_second)


# --- the host --------------------------------------------------------------------------------------------------


def _host(found: Diagnosis) -> Section:
    rows = tuple(
        Row((check.state.value, check.name, check.found), tone=ROW_TONES[check.state]) for check in found.checks
    )
    return Section("The host", table=Table((Column(""), Column("checked"), Column("found")), rows))


def _change(number: int, check: Check) -> str:
    """What, why, and where the command is."""
    first = f"{number}. {check.name}: {check.remedy}."
    return f"{first}\nBecause {check.why}."
