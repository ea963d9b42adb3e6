"""What the page of a calibration says. It arranges what the profile holds."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from perfgate.calibration.components import HEAVY_TRIM
from perfgate.calibration.profile import HostProfile, Prediction
from perfgate.gate.outlook import seen
from perfgate.gate.policy import Policy
from perfgate.report.document import Column, Document, Row, Section, Table
from perfgate.report.words import short_operation, short_percent
from perfgate.units import NS_PER_MS, format_duration, format_percent, three_digits

HOPELESS = 10.0
"""A regression by more than a factor of 11 is nothing that a gate is needed for: shown as not seen."""


def profile_document(
    profile: HostProfile, policy: Policy, path: Path, directory: Path, missing: str = ""
) -> Document:  # fmt: skip
    """policy: the one that the pairs were measured for. missing: a word on pairs that are still wanted."""
    judged = dataclasses.replace(policy, trim=profile.recommended.trim)
    return Document(
        word="CALIBRATED",
        tone="open" if missing or _coarse(profile, judged) else "good",
        headline=_headline(profile, judged),
        subtitle=f"{profile.scenario} · target {profile.target} · {profile.variant} · {profile.host.get('cpu', 'host')} · "
        f"{profile.made_at:%Y-%m-%d %H:%M} UTC",
        sections=tuple(
            section
            for section in (
                _advice(profile, judged, missing),
                _sight(profile, judged),
                _verdicts(profile),
                _noise(profile),
            )
            if not section.empty
        ),
        closing=(("profile", str(path)), ("pairs", str(directory)), ("valid", f"until {profile.expires_at:%Y-%m-%d}")),
    )


def _headline(profile: HostProfile, policy: Policy) -> str:
    worst = _worst(profile, policy, policy.looks[-1])
    took = format_duration(policy.looks[-1] * profile.pair_ns)
    if worst > HOPELESS:
        return "A gate on this host would see nothing: too much noise for so few pairs."
    return f"A gate on this host blocks a {policy.primary} that is {format_percent(worst)} worse, in {took} at most."


def _worst(profile: HostProfile, policy: Policy, pairs: int, power: float = 0.80) -> float:
    """Of the primary quantiles, at the look after so many pairs."""
    return max(
        (
            seen(policy, part.trimmed_sd, _operations(profile), pairs, power)
            for part in profile.components
            if part.statistic == policy.primary
        ),
        default=math.inf,
    )


def _coarse(profile: HostProfile, policy: Policy) -> bool:
    return _worst(profile, policy, policy.looks[-1]) > policy.margin * policy.operation_margin_factor


def leak_line(profile: HostProfile, policy: Policy) -> str:
    """What a duet would hide on this host, and whether that is little enough; empty for profiles of alternation."""
    if profile.mode != "duet":
        return ""
    if profile.leak is None or profile.leak_upper is None:
        return "Gates in mode duet are refused until the leak is known: calibrate with --leak-variant, too."
    enough = (
        "so gates may use mode duet"
        if profile.leak_upper <= policy.max_leak
        else 'so gates must set mode = "alternation"'
    )
    return (
        f"{short_percent(profile.leak)} of a slowdown of one build reaches the other when both are loaded (at most "
        f"{short_percent(profile.leak_upper)}, 95 % sure; limit {short_percent(policy.max_leak)}), {enough}."
    )


def _advice(profile: HostProfile, policy: Policy, missing: str) -> Section:
    wanted, lines = profile.recommended, []
    if missing:
        lines.append(missing)
    if leak := leak_line(profile, policy):
        lines.append(leak)
    hidden = short_percent(policy.margin * policy.operation_margin_factor)
    if wanted.pairs <= policy.looks[-1]:
        lines.append(
            f"{wanted.pairs} pairs are enough to block {hidden} in one operation (4 gates in 5); the policy allows "
            f"{policy.looks[-1]}."
        )
    else:
        lines.append(
            f"The policy's {policy.looks[-1]} pairs are too few to block {hidden} in one operation: about {wanted.pairs} would "
            "do ([gate] looks), or a longer measured_seconds, a higher rate, a quieter host (perfgate doctor)."
        )
    if wanted.slice_ms * NS_PER_MS > profile.slice_ns:
        lines.append(
            f"Set [gate] slice_ms = {wanted.slice_ms:g}: replies take so long that slices of "
            f"{format_duration(profile.slice_ns)} spill into each other."
        )
    lines.append(
        f"Mode {wanted.mode}, slices of {wanted.slice_ms:g} ms, {short_percent(wanted.trim)} of the pairs trimmed at each end"
        + (", because tails are heavy here; gates do so by themselves." if wanted.trim >= HEAVY_TRIM else ".")
    )
    return Section("What to do", lines=tuple(lines))


def _sight(profile: HostProfile, policy: Policy) -> Section:
    """What is blocked after how many pairs."""
    names = list(dict.fromkeys(part.operation for part in profile.components))
    columns = (
        Column("pairs", right=True), Column("time", right=True),
        *(Column(short_operation(name.value), right=True) for name in names), Column("99 in 100, all", right=True),
    )  # fmt: skip
    rows = []
    for pairs in policy.looks:
        cells = []
        for name in names:
            part = profile.component(name, policy.primary)
            cells.append(_percent(seen(policy, part.trimmed_sd, len(names), pairs)) if part else "–")
        sure = _percent(_worst(profile, policy, pairs, 0.99))
        tone = "strong" if pairs == profile.recommended.pairs else ""
        rows.append(Row((str(pairs), format_duration(pairs * profile.pair_ns), *cells, sure), tone=tone))
    return Section(
        f"The {policy.primary} regression that a gate blocks here",
        table=Table(columns, tuple(rows)),
        note=f"In 4 gates of 5, if these are all the pairs it gets. Nothing within the margin of {short_percent(policy.margin)} "
        "is ever blocked. Time: measuring, without loading the data.",
    )


def _verdicts(profile: HostProfile) -> Section:
    columns = (
        Column("if the candidate is"), Column("BLOCK", right=True), Column("PASS", right=True),
        Column("INCONCLUSIVE", right=True), Column("pairs", right=True), Column("gates", right=True, dispensable=1),
    )  # fmt: skip
    rows = tuple(
        Row((
            _truth(one), format_percent(one.block), format_percent(one.passed), format_percent(one.inconclusive),
            f"{one.pairs:.1f}", f"{one.resamples:,}",
        ))
        for one in profile.predictions
    )  # fmt: skip
    alarm = profile.false_alarm
    note = (
        f"Resampled from these {profile.pairs} pairs, each turned round by a coin's toss, and decided by the gate's own code. "
        f"False alarms: {format_percent(alarm.share)}, with 95 % confidence under {alarm.upper * 100:.2f} % for pairs like "
        "these. That other days bring other pairs is not in it."
    )
    return Section("What gates here would say", table=Table(columns, rows), note=note)


def _truth(one: Prediction) -> str:
    if one.operation is None:
        return "the same build"
    return f"{short_operation(one.operation.value)} {short_percent(one.change)} slower"


def _noise(profile: HostProfile) -> Section:
    columns = (
        Column("operation"), Column(""), Column("one pair ±", right=True), Column("95 %", right=True),
        Column("robust", right=True, dispensable=2), Column("restart", right=True), Column("at most", right=True),
        Column("drift", right=True), Column("within", right=True), Column("tails", dispensable=1),
    )  # fmt: skip
    rows = tuple(
        Row((
            short_operation(part.operation.value), part.statistic, _sd(part.pair_sd),
            f"{_sd(part.pair_sd_lower)} … {_sd(part.pair_sd_upper)}", _sd(part.robust_sd), _sd(part.restart_sd),
            _sd(part.restart_upper), _sd(part.drift_sd), _sd(part.within_sd), "heavy" if part.heavy else "light",
        ))
        for part in profile.components
    )  # fmt: skip
    note = (
        "Standard deviations in %. One pair: of a pair's log ratio, where both builds are the same. Restart: of one process's "
        "level from start to start; drift and within: what slow changes inside a pair, and sampling with short bursts, add to "
        "a pair's."
    )
    return Section(
        f"The noise of {profile.pairs} pairs ({profile.starts} starts)", table=Table(columns, rows), note=note
    )


def _operations(profile: HostProfile) -> int:
    return len({part.operation for part in profile.components})


def _percent(change: float) -> str:
    return format_percent(change, signed=True) if change <= HOPELESS else "–"


def _sd(value: float) -> str:
    return "0" if value == 0 else three_digits(100 * value)
