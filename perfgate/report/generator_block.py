"""What a report says of the load generator itself: how late it was, what it used, what held it up."""

from __future__ import annotations

from collections.abc import Sequence

from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.report.document import Column, Row, Section, Table
from perfgate.report.shared import each_arm
from perfgate.run import RunRecord
from perfgate.units import NS_PER_MS, format_count, format_duration, format_percent
from perfgate.usage import Usage
from perfgate.worker_load import WorkerLoad

SHOWN_NS = 10 * NS_PER_MS
"""Shorter standstills are within the grain of the samples."""
_COLUMNS = (
    Column("worker"),
    Column("scheduling"),
    Column("CPUs"),
    *(Column(title, right=True) for title in ("CPU", "busiest", "no core", "steal", "late p99", "wait p99")),
    *(Column(title, right=True) for title in ("user", "system", "switches", "faults", "slack", "memory")),
)


def generator(record: RunRecord) -> Section:
    """Its own error first, then where that may come from, by the worst worker."""
    return Section("Load generator", facts=(*_delays(record), *_usage([load.usage for load in record.workers], record)))


def workers(record: RunRecord) -> Section:
    """Every worker by itself."""
    rows = tuple(Row(_cells(load)) for load in record.workers if load.usage.known)
    note = (
        "CPU: of its core, over the loaded part; busiest: in the busiest tenth of it; no core: share of the time in which it "
        "was ready to run and had none; switches: involuntary of all; faults: major of all; memory: at most."
    )
    return Section("Workers", table=Table(_COLUMNS, rows), note=note if rows else "", folded=True)


def _delays(record: RunRecord) -> tuple[tuple[str, str], ...]:
    if record.arms:
        late, wait = each_arm(record, lambda one, _: _quantiles(one.lag)), each_arm(record, lambda one, _: _wait(one))
        return ("sent late by", late), ("waited for a connection", wait)
    lag = Histogram.merge([load.lag for load in record.workers])
    return (("sent late by", _quantiles(lag)),) if lag.total else ()


def _quantiles(histogram: Histogram) -> str:
    if not histogram.total:
        return "–"
    p50, p99 = histogram.quantiles([0.5, 0.99])
    return f"p50 {format_duration(p50)}, p99 {format_duration(p99)}"


def _wait(interval: Interval) -> str:
    """Quantiles of those that waited: of all requests they would mostly be 0."""
    if not interval.wait.total or not interval.sent:
        return "none"
    return f"{format_percent(interval.wait.total / interval.sent)} of requests, {_quantiles(interval.wait)}"


def _usage(usages: Sequence[Usage], record: RunRecord) -> tuple[tuple[str, str], ...]:
    known = [usage for usage in usages if usage.known]
    if not known:
        return ()
    busiest = max((load for load in record.workers if load.usage.known), key=lambda load: load.usage.busiest_share)
    return (
        ("busiest worker", f"{busiest.worker}: {_core(busiest.usage)}; {_scheduling(busiest.usage)}"),
        ("kept from its core", _kept(known)),
        ("switches and faults", _switches(Usage.merge(known))),
        ("pauses", _pauses(known)),
    )


def _core(usage: Usage) -> str:
    return f"{format_percent(usage.cpu_share)} of its core, {format_percent(usage.busiest_share)} at its busiest"


def _scheduling(usage: Usage) -> str:
    how = "real time" if usage.scheduling == "realtime" else f"ordinary priority, nice {usage.nice}"
    return f"{how}, CPU {', '.join(map(str, usage.cpus))}"


def _kept(usages: Sequence[Usage]) -> str:
    waits = [usage.waiting_share for usage in usages if usage.waiting_share is not None]
    waiting = format_percent(max(waits)) if waits else "unknown (the kernel does not tell)"
    steal = max(usage.steal_share for usage in usages)
    host = max(usage.host_steal_share for usage in usages)
    return f"by other work {waiting}, by the hypervisor {format_percent(steal)} (of all CPUs {format_percent(host)})"


def _switches(usage: Usage) -> str:
    switches = usage.voluntary_switches + usage.involuntary_switches
    faults = usage.minor_faults + usage.major_faults
    return (
        f"{format_count(usage.involuntary_switches)} of {format_count(switches)} switches involuntary; "
        f"{format_count(usage.major_faults)} of {format_count(faults)} page faults from disk"
    )


def _pauses(usages: Sequence[Usage]) -> str:
    count, longest = sum(usage.gc_pauses for usage in usages), max(usage.gc_longest_ns for usage in usages)
    still = max(usage.standstill_ns for usage in usages)
    collections = (
        f"{format_count(count)} garbage collections in slices, at most {format_duration(longest)}"
        if count
        else "no garbage collection in a slice"
    )
    return f"{collections}; {f'stood still for {format_duration(still)}' if still >= SHOWN_NS else 'no standstill'}"


def _cells(load: WorkerLoad) -> tuple[str, ...]:
    usage = load.usage
    waiting, slack = usage.waiting_share, usage.timer_slack_ns
    return (
        load.worker,
        "real time" if usage.scheduling == "realtime" else f"nice {usage.nice}",
        ", ".join(map(str, usage.cpus)),
        format_percent(usage.cpu_share),
        format_percent(usage.busiest_share),
        "–" if waiting is None else format_percent(waiting),
        format_percent(usage.steal_share),
        _p99(load.lag),
        _p99(load.wait),
        format_duration(usage.user_ns),
        format_duration(usage.system_ns),
        f"{format_count(usage.involuntary_switches)}/{format_count(usage.voluntary_switches + usage.involuntary_switches)}",
        f"{format_count(usage.major_faults)}/{format_count(usage.minor_faults + usage.major_faults)}",
        "–" if slack is None else format_duration(slack),
        f"{usage.peak_rss_bytes / 1e6:.0f} MB",
    )


def _p99(histogram: Histogram) -> str:
    return format_duration(histogram.quantile(0.99)) if histogram.total else "–"
