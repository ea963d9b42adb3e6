"""Whether the load generator did its part: what it did to a measurement by itself, and what mends it.

Lag is known of each slice, so a couple in which the generator was late is dropped by itself. What the workers used of
their machine is known of a whole pair: one over a threshold drops all its couples. Neither can see which build ran.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from perfgate.gate.local_limit import local_limit_reason
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason
from perfgate.histogram import Histogram
from perfgate.interval import Interval
from perfgate.outcome import Outcome
from perfgate.pair import Couple, Pair
from perfgate.segment import Arm
from perfgate.units import NS_PER_MS, format_duration, format_percent
from perfgate.usage import Usage
from perfgate.worker_load import WorkerLoad

LATE = "generator late"
LOST = "agent lost"
ONCE = "the candidate fell behind in this pair, but not in the next"
"""No fault of the generator's: whoever drops a pair for it has said so."""
LOST_REMEDY = (
    "look at that agent's log and its machine; where a run with fewer agents is good enough, set [gate] agent_loss = "
    '"continue"'
)
DROPPED = {
    "generator_busy": "worker at its limit",
    "core_wait": "worker without a core",
    "steal": "hypervisor took time",
    "gc_pause": "garbage collection",
    "local_limit": "no connection to be had on this machine",
}
"""What a couple is dropped for, by the code of the reason."""
STANDSTILL_NS = 50 * NS_PER_MS
"""Shorter ones need no explanation of their own."""
BUSY_REMEDY = "add workers (--workers, or agents on other machines) or lower [arrival] rate"
LATE_REMEDY = "keep other work off this host, add --workers, or lower [arrival] rate"


def drop_laggards(couple: Couple, policy: Policy) -> Couple:
    """A couple in which the generator itself was late does not count. The rule sees lag alone, not which build ran, and
    takes both slices away, so it cannot favour one."""
    if any(_is_late(lag, policy) for lag in (couple.base.lag, couple.candidate.lag)):
        return dataclasses.replace(couple, dropped=LATE)
    return couple


def drop_faulty(pair: Pair, policy: Policy) -> Pair:
    """A pair in which a worker was over a threshold does not count: what it used cannot be told slice by slice. Nor does
    one for which this machine could not open all connections: requests of other slices waited for them."""
    faults = _pair_faults(pair, policy)
    if not faults:
        return pair
    why = DROPPED[faults[0].code]
    couples = tuple(couple if couple.dropped else dataclasses.replace(couple, dropped=why) for couple in pair.couples)
    return dataclasses.replace(pair, couples=couples)


def spoilt_reason(pairs: Sequence[Pair], policy: Policy) -> Reason | None:
    """Why couples of these pairs were dropped: the fault that most pairs have; None where none was dropped."""
    faults = [fault for pair in pairs for fault in _pair_faults(pair, policy)[:1]]
    if faults:
        code, _ = Counter(fault.code for fault in faults).most_common(1)[0]
        return next(fault for fault in faults if fault.code == code)
    if not any(couple.dropped not in ("", ONCE) for pair in pairs for couple in pair.couples):
        return None
    if any(couple.dropped == LOST for pair in pairs for couple in pair.couples):
        return Reason("agent_lost", "an agent was lost, and others took over its requests", LOST_REMEDY)
    text = "the load generator could not send in time"
    why, remedy = _latest(WorkerLoad.merge(load for pair in pairs for load in pair.workers), policy)
    return Reason("generator_lag", text + why, remedy)


def run_problems(workers: Sequence[WorkerLoad], measured: Interval, policy: Policy) -> list[Reason]:
    """What makes a run without a gate say nothing of the store. measured: all of its measured requests."""
    checks = (
        local_limit_reason([measured]), lag_reason(measured.lag, workers, policy), offered_reason(measured, policy)
    )  # fmt: skip
    return [*(reason for reason in checks if reason), *worker_faults(workers, policy)]


def cut_reason(intervals: Iterable[Interval], workers: Sequence[WorkerLoad], policy: Policy) -> Reason | None:
    """Why load was cut, where that was the generator's doing: at the limits of its core it reads replies late and has no
    connection free, whatever the store does. None where the store must have been too slow."""
    faults = [local_limit_reason(intervals), *worker_faults(workers, policy)]
    return next((fault for fault in faults if fault), None)


def _pair_faults(pair: Pair, policy: Policy) -> list[Reason]:
    slices = [couple.arm(arm) for couple in pair.couples for arm in Arm]
    limit = local_limit_reason(slices)
    return [*([limit] if limit else []), *worker_faults(pair.workers, policy)]


def worker_faults(workers: Sequence[WorkerLoad], policy: Policy) -> list[Reason]:
    """One a threshold that a worker is over, naming the worst. Nothing of workers whose usage is not known."""
    known = [load for load in workers if load.usage.known]
    checks = (_core_wait(known, policy), _steal(known, policy), _busy(known, policy), _gc_pause(known, policy))
    return [reason for reason in checks if reason]


def lag_reason(lag: Histogram, workers: Sequence[WorkerLoad], policy: Policy) -> Reason | None:
    """More than 1 % of the requests went out late. Names the worker that was latest, and why where that is known."""
    if not _is_late(lag, policy):
        return None
    text = (
        f"the generator itself was late: 1 % of the requests went out more than {format_duration(lag.quantile(0.99))} "
        f"after their time (limit {format_duration(policy.max_lag_p99_ns)})"
    )
    why, remedy = _latest(workers, policy)
    return Reason("generator_lag", text + why, remedy)


def offered_reason(measured: Interval, policy: Policy) -> Reason | None:
    """Requests that were due were not sent. What a store refused counts as sent: that is its failure; what this machine had
    no connection for has a reason of its own."""
    unsent = (Outcome.REFUSED, Outcome.LOCAL_LIMIT)
    refused = sum(part.outcomes[outcome] for part in measured.operations.values() for outcome in unsent)
    if measured.due and (measured.sent + refused) / measured.due >= policy.min_offered:
        return None
    share = format_percent(measured.sent / measured.due) if measured.due else "none"
    text = f"only {share} of the {measured.due:,} requests that were due were sent"
    return Reason("offered_rate", text, "raise [connection] connections or timeout_seconds, or lower [arrival] rate")


def _is_late(lag: Histogram, policy: Policy) -> bool:
    return bool(lag.total) and lag.quantile(0.99) > policy.max_lag_p99_ns


def _latest(workers: Sequence[WorkerLoad], policy: Policy) -> tuple[str, str]:
    """(`; worker 2 of agent a …`, remedy) of the worker that was latest."""
    late = [load for load in workers if load.lag.total]
    if not late:
        return "", LATE_REMEDY
    worst = max(late, key=lambda load: load.lag.quantile(0.99))
    usage = worst.usage
    if usage.standstill_ns >= STANDSTILL_NS:
        why = f"; {worst.label} stood still for {format_duration(usage.standstill_ns)} without asking for a core"
        return why, "find what stopped it (a signal, a debugger, a suspended machine, a slow disk) and run it again"
    for check in (_core_wait, _steal, _busy, _gc_pause):
        if usage.known and (fault := check([worst], policy)):
            return f"; {fault.text}", fault.remedy
    return (f"; the latest was {worst.label}" if len(workers) > 1 else ""), LATE_REMEDY


def _busy(workers: Sequence[WorkerLoad], policy: Policy) -> Reason | None:
    """Judged by the busiest tenth of the loaded time: idle time must not dilute it."""
    found = _worst(workers, lambda usage: usage.busiest_share, policy.max_worker_cpu)
    if found is None:
        return None
    who, share = found
    text = (
        f"{who} used {_percent(share)} of its core at its busiest (limit {_percent(policy.max_worker_cpu)}): replies "
        "wait until it reads them, which looks like a slow store"
    )
    return Reason("generator_busy", text, BUSY_REMEDY)


def _core_wait(workers: Sequence[WorkerLoad], policy: Policy) -> Reason | None:
    """Of workers that did not get their core. One that had nearly all of it is named as busy: what it waited for then is the
    kernel's limit on real-time work (5 % of a core unless sched_rt_runtime_us says otherwise), and no other work's doing."""
    most = policy.max_worker_cpu
    workers = [load for load in workers if min(load.usage.cpu_share, load.usage.busiest_share) <= most]
    found = _worst(workers, lambda usage: usage.waiting_share or 0.0, policy.max_core_wait)
    if found is None:
        return None
    who, share = found
    worst = max(workers, key=lambda load: load.usage.waiting_share or 0.0)
    text = (
        f"{who} was ready to run but had no core for {_percent(share)} of the time (limit "
        f"{_percent(policy.max_core_wait)}): other work was using it"
    )
    return Reason("core_wait", text, _core_remedy(worst.usage))


def _core_remedy(usage: Usage) -> str:
    cpus = f"CPU{'s' if len(usage.cpus) != 1 else ''} {', '.join(map(str, usage.cpus)) or '?'}"
    if usage.scheduling == "realtime":
        return f"keep other real-time work and other workers off {cpus}, or give each worker a core (--worker-cpus)"
    return f"keep other work off {cpus}, or let the agent run workers in real time (root, or CAP_SYS_NICE)"


def _steal(workers: Sequence[WorkerLoad], policy: Policy) -> Reason | None:
    """Of a worker's own processors, or of all of its machine: the store runs on the others."""
    remedy = "use a machine that is not shared, or wait until its neighbours are quiet"
    if found := _worst(workers, lambda usage: usage.steal_share, policy.max_steal):
        who, share = found
        text = f"the hypervisor took {_percent(share)} of the core of {who} (limit {_percent(policy.max_steal)})"
        return Reason("steal", text, remedy)
    worst = max(workers, key=lambda load: load.usage.host_steal_share, default=None)
    if worst is None or worst.usage.host_steal_share <= policy.max_steal:
        return None
    text = (
        f"the hypervisor took {_percent(worst.usage.host_steal_share)} of all processor time on the machine of agent "
        f"{worst.agent or worst.worker} (limit {_percent(policy.max_steal)})"
    )
    return Reason("steal", text, remedy)


def _gc_pause(workers: Sequence[WorkerLoad], policy: Policy) -> Reason | None:
    over = [load for load in workers if load.usage.gc_pauses and load.usage.gc_longest_ns > policy.max_gc_pause_ns]
    if not over:
        return None
    worst = max(over, key=lambda load: load.usage.gc_longest_ns)
    limit = f"limit {format_duration(policy.max_gc_pause_ns)}" if policy.max_gc_pause_ns else "none is allowed"
    text = (
        f"{worst.label} collected garbage {worst.usage.gc_pauses} times in measured slices, for up to "
        f"{format_duration(worst.usage.gc_longest_ns)} ({limit})"
    )
    return Reason("gc_pause", text, "please report this: workers put collections off until the load is over")


def _worst(workers: Sequence[WorkerLoad], share: Callable[[Usage], float], limit: float) -> tuple[str, float] | None:
    """(who, the greatest share) where one is over the limit; others that are, too, are counted."""
    over = sorted((load for load in workers if share(load.usage) > limit), key=lambda load: -share(load.usage))
    if not over:
        return None
    more = f" (and {len(over) - 1} more)" if len(over) > 1 else ""
    return over[0].label + more, share(over[0].usage)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
