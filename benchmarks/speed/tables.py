"""The figures as Markdown, for the terminal and for docs/performance.md alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.speed.pacing import Point
from benchmarks.speed.rounds import Run
from benchmarks.speed.summary import Ratio, by_round, median, ratio
from benchmarks.speed.tools import OURS, TOOLS

MEANWHILE = "other work used at most {others:.2f} cores meanwhile, the hypervisor took {stolen:.1%}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded, so that it reads well as it is."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def closed_table(runs: Sequence[Run]) -> str:
    """Closed loop: requests a CPU second, and ours over each."""
    ours = by_round(runs, OURS, lambda run: run.per_cpu_s)
    rows = []
    for name in _ran(runs):
        own = by_round(runs, name, lambda run: run.per_cpu_s)
        rows.append([
            name, _number(median(own)), _number(median(by_round(runs, name, lambda run: run.cpu_us)), 1),
            _number(median(by_round(runs, name, lambda run: run.reading.rate))),
            "" if name == OURS else _ratio(ratio(ours, own)), _command(runs, name),
        ])  # fmt: skip
    head = ("tool", "requests / CPU s", "CPU µs / request", "requests / s", "perfgate is × (least–most)", "command")
    return f"{table(head, rows)}\n\n{_meanwhile(runs)}"


def open_table(runs: Sequence[Run]) -> str:
    """Open loop: percentiles, rate, CPU."""
    rows = [
        [
            name, _number(median(by_round(runs, name, lambda run: run.reading.p50_ms)), 3),
            _number(median(by_round(runs, name, lambda run: run.reading.p99_ms)), 3),
            _number(median(by_round(runs, name, lambda run: run.reading.rate))),
            _number(median(by_round(runs, name, lambda run: run.cpu_us)), 1), _command(runs, name),
        ]
        for name in _ran(runs)
    ]  # fmt: skip
    head = ("tool", "p50 ms", "p99 ms", "requests / s", "CPU µs / request", "command")
    return f"{table(head, rows)}\n\n{_lag(runs)}{_meanwhile(runs)}"


def capacity_table(rates: Sequence[float], inside: Mapping[str, object]) -> str:
    """The seed's mix: the highest rate without lag, and encoding beside sending."""
    per: dict[str, float] = inside["encode_us"]  # type: ignore[assignment]
    rows = [
        ["highest rate without lag, requests / s", _range(rates), ">= 20,000"],
        ["encoding a request of the mix, µs", f"{inside['encode_mix_us']:.2f}", "less than sending"],
        *([f"— {name}, µs", f"{value:.2f}", ""] for name, value in per.items()),
        [f"sending one (send() of {inside['bytes']:,.0f} bytes), µs", f"{inside['send_mix_us']:.2f}", ""],
    ]
    return table(("seed's mix, one worker on one core", "measured", "to reach"), rows)


def inside_table(recording: Mapping[str, float], merging_ms: float) -> str:
    rows = [[f"recording, {name}", f"{value:.0f} ns a sample", "<= 50 ns"] for name, value in recording.items()]
    rows.append(["merging one second of 100 agents, 3 operations", f"{merging_ms:.1f} ms", "<= 20 ms"])
    return table(("work", "measured (median)", "to reach"), rows)


def pacing_table(points: Sequence[Point]) -> str:
    rows = [
        [
            f"{point.rate:,.0f}", f"{point.achieved:,.0f}", f"{point.lag_p50_us:,.0f}", f"{point.lag_p99_us:,.0f}",
            f"{point.lag_p999_us:,.0f}", f"{point.lag_max_us:,.0f}", f"{point.waited_share:.1%}", f"{point.cpu_us:.1f}",
        ]
        for point in points
    ]  # fmt: skip
    head = (
        "rate / s",
        "achieved / s",
        "lag p50 µs",
        "p99",
        "p99.9",
        "max",
        "waited for a connection",
        "CPU µs / request",
    )
    return table(head, rows)


def calls_table(counts: Mapping[str, Mapping[str, float]]) -> str:
    """System calls a request, the most frequent first."""
    rows = []
    for name, calls in counts.items():
        most = sorted(calls.items(), key=lambda item: -item[1])[:5]
        each = ", ".join(f"{call} {count:.2f}" for call, count in most if count >= 0.005)
        rows.append([name, f"{sum(calls.values()):.2f}", each])
    return table(("tool", "system calls a request", "of these"), rows)


def _ran(runs: Sequence[Run]) -> list[str]:
    there = {run.tool for run in runs}
    return [name for name in TOOLS if name in there]


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _ratio(found: Ratio | None) -> str:
    return "–" if found is None else f"**{found.median:.2f}** ({found.low:.2f}–{found.high:.2f})"


def _range(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:,.0f}"
    return f"{sorted(values)[len(values) // 2]:,.0f} ({min(values):,.0f}–{max(values):,.0f})"


def _command(runs: Sequence[Run], name: str) -> str:
    return f"`{next(run.command for run in runs if run.tool == name)}`"


def _lag(runs: Sequence[Run]) -> str:
    quantiles = [
        median({run.round: run.details["lag_us"][q] for run in runs if run.tool == OURS and run.details["lag_us"][q]})
        for q in ("0.5", "0.99")
    ]
    if None in quantiles:
        return ""
    p50, p99 = quantiles
    return f"perfgate's send lag: p50 {p50:.0f} µs, p99 {p99:.0f} µs. "


def _meanwhile(runs: Sequence[Run]) -> str:
    others, stolen = max(run.other_cores for run in runs), max(run.stolen for run in runs)
    rounds = 1 + max(run.round for run in runs)
    said = MEANWHILE.format(others=others, stolen=stolen)
    return f"Median of {rounds} round{'s' if rounds > 1 else ''}; {said}."
