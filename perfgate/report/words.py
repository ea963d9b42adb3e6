"""The sentences that all renderings share."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from perfgate.gate.comparison import Comparison
from perfgate.gate.effect import Effect, Finding
from perfgate.gate.neighbour import QUESTION
from perfgate.gate.verdict import Word
from perfgate.run import RunRecord
from perfgate.segment import Arm
from perfgate.units import BEYOND, NS_PER_S, format_count, format_duration, format_percent, three_digits

BARS = "▁▂▃▄▅▆▇█"
_SHORT = {"embedding_search": "search", "pattern_completion": "completion"}
LATENCY = ("p50", "p95", "p99")
DONE, LIMITS_MISSED = "DONE", "LIMITS MISSED"


def short_operation(name: str) -> str:
    """`search` for `embedding_search`: where there is little room."""
    return _SHORT.get(name, name)


def headline(record: RunRecord, comparison: Comparison) -> str:
    """The verdict in one sentence."""
    base, candidate = (record.builds.get(arm, "?") for arm in Arm)
    pairs = f"{comparison.pairs} {'pair' if comparison.pairs == 1 else 'pairs'}"
    if record.environment.get("question") == QUESTION:
        return _of_the_neighbour(comparison, pairs)
    match comparison.verdict.word:
        case Word.PASS:
            margin = short_percent(comparison.policy.margin)
            return f"{candidate} against {base}: {pairs} show no slowdown beyond the margin of {margin}."
        case Word.BLOCK:
            return f"{candidate} must not replace {base}: {_worst(comparison)}"
        case Word.INCONCLUSIVE:
            return f"{candidate} against {base}: {pairs} could not tell whether it is slower."
        case Word.INVALID:
            return f"No verdict on {candidate}: this measurement cannot be trusted."


def _of_the_neighbour(comparison: Comparison, pairs: str) -> str:
    match comparison.verdict.word:
        case Word.PASS:
            margin = short_percent(comparison.policy.margin)
            return f"The noisy neighbour does not disturb the others: {pairs} show no slowdown beyond {margin}."
        case Word.BLOCK:
            return f"The noisy neighbour disturbs the others: {_worst(comparison)}"
        case Word.INCONCLUSIVE:
            return f"{pairs} could not tell whether the noisy neighbour disturbs the others."
        case Word.INVALID:
            return "No verdict on the noisy neighbour: this measurement cannot be trusted."


def _worst(comparison: Comparison) -> str:
    """The regressed metrics in the order in which the verdict names them, the cause first; its first reason where it
    names none."""
    regressed = {effect.name: effect for effect in comparison.effects if effect.finding is Finding.REGRESSED}
    found = [regressed[reason.metric] for reason in comparison.verdict.reasons if reason.metric in regressed]
    if not found:
        reasons = comparison.verdict.reasons
        return sentence(reasons[0].text) if reasons else "no reason was given."
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(f"{effect.name} {ratio(effect)}" for effect in found[:3]) + more + "."


def sentence(text: str) -> str:
    """With a full stop at the end."""
    return text if text.endswith((".", "!", "?")) or not text else text + "."


def run_verdict(record: RunRecord) -> str:
    """`DONE`, `LIMITS MISSED`, `INVALID` (the generator spoilt it) or `BROKEN OFF`."""
    if not record.complete or Arm.BASE not in record.arms:
        return "BROKEN OFF"
    if record.invalid:
        return "INVALID"
    return DONE if all(limit.get("met_base", True) for limit in record.limits) else LIMITS_MISSED


def exit_code(record: RunRecord, comparison: Comparison | None) -> int:
    """As `perfgate gate` and `perfgate run` end: a run with 3 when broken off or invalid, 1 when a limit is missed."""
    if comparison is not None:
        return comparison.verdict.exit_code
    if not record.complete or record.invalid:
        return 3
    return 0 if all(limit.get("met_base", True) for limit in record.limits) else 1


def run_sentence(record: RunRecord) -> str:
    """A run in one sentence; that the data are partial comes first."""
    interval = record.arms.get(Arm.BASE)
    if interval is None:
        return "Nothing was measured."
    seconds = record.measured_ns.get(Arm.BASE, 0) / NS_PER_S
    rate = format_count(interval.completed / seconds) if seconds else "–"
    share = format_percent(interval.failures / interval.total) if interval.total else "–"
    what = f"{format_count(interval.completed)} requests answered, {rate} a second; {share} failed"
    missed = sum(not limit.get("met_base", True) for limit in record.limits)
    if not record.complete:
        return f"These are partial data: {what}."
    if record.invalid:
        return f"This measurement cannot be trusted; {what}."
    if missed:
        return f"{what}; {missed} of {len(record.limits)} limits missed."
    return f"{what}{'; all limits met' if record.limits else ''}."


def ratio(effect: Effect) -> str:
    """The change of one metric: a ratio as percent for latencies, percentage points for shares."""
    if effect.statistic in LATENCY:
        return change(effect.estimate)
    return points(effect)


def change(log_ratio: float) -> str:
    """`+5.1 %` for a log ratio."""
    return "–" if not math.isfinite(log_ratio) else format_percent(_expm1(log_ratio), signed=True)


def points(effect: Effect) -> str:
    """The estimate is worse when positive; for recall, worse is less."""
    value = -effect.estimate if effect.statistic == "recall" else effect.estimate
    return f"{_points(value)} pp" if math.isfinite(value) else "–"


def bounds(effect: Effect) -> str:
    """The repeated confidence interval."""
    if effect.lower is None or effect.upper is None:
        return "–"
    if effect.statistic in LATENCY:
        return f"{_bound(_expm1(effect.lower))} … {_bound(_expm1(effect.upper))} %"
    low, high = (effect.lower, effect.upper) if effect.statistic != "recall" else (-effect.upper, -effect.lower)
    return f"{_points(low)} … {_points(high)} pp"


def _points(share: float) -> str:
    return f"{round(share * 100, 2) + 0.0:+.2f}"  # a sum with 0 is never the negative one


def _expm1(value: float) -> float:
    return math.inf if value > 700 else math.expm1(value)


def _bound(fraction: float) -> str:
    return f"{fraction * 100:+.1f}" if fraction < BEYOND else "∞"


def detectable(effect: Effect) -> str:
    """The true change that would be blocked with 80 % power."""
    if effect.detectable_80 is None or not math.isfinite(effect.detectable_80):
        return "–"
    if effect.statistic in LATENCY:
        return format_percent(_expm1(effect.detectable_80))
    return f"{effect.detectable_80 * 100:.2f} pp"


def values(effect: Effect) -> tuple[str, str]:
    """Base and candidate as a reader expects them."""
    if effect.statistic not in LATENCY:
        return _share(effect.base_share), _share(effect.candidate_share)
    if not effect.base_ns or not effect.candidate_ns:
        return "–", "–"
    return format_duration(effect.base_ns), format_duration(effect.candidate_ns)


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.2f} %"


FINDINGS = {Finding.REGRESSED: "REGRESSED", Finding.IMPROVED: "improved", Finding.CLEAR: "clear", Finding.OPEN: "open"}


def sparkline(numbers: Sequence[float], width: int = 30) -> str:
    """Small bars from the least to the greatest; more numbers than `width` are averaged together."""
    finite = [number for number in numbers if math.isfinite(number)]
    if not finite:
        return ""
    if len(finite) > width:
        edges = [len(finite) * step // width for step in range(width + 1)]
        finite = [sum(finite[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low, high = min(finite), max(finite)
    span = high - low
    if span <= 0:
        return BARS[3] * len(finite)
    return "".join(BARS[min(7, int((number - low) / span * 8))] for number in finite)


def reproduce(record: RunRecord) -> str:
    """The command that does it again; the files stand for themselves where the record does not know their names."""
    if command := record.environment.get("command"):
        return str(command)
    words = []
    if record.kind == "gate":
        for arm in Arm:
            words += [f"--{arm.name.lower()}", record.builds.get(arm, "?")]
    elif (build := record.builds.get(Arm.BASE)) and ":" in build:
        words += ["--url", build if "://" in build or build.startswith("unix:") else f"http://{build}"]
    elif build:
        words += ["--variant", build]
    return f"perfgate {record.kind} SCENARIO --target TARGET {shlex.join([*words, '--seed', str(record.seed)])}"


def quantity(value: object, unit: str) -> str:
    """A limit's figure with its unit; a share is shown as percent."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "–" if value is None else f"{value} {unit}".strip()
    if unit == "share":
        return f"{value * 100:.3g} %"
    figure = format_count(value) if abs(value) >= 1000 else three_digits(value) if value else "0"
    return f"{figure} {unit}".strip()


def short_percent(fraction: float) -> str:
    """`5 %`: for settings, which have no digits to spare."""
    return f"{fraction * 100:g} %"


def report_path(directory: Path) -> str:
    return str(directory / "report.md")
