"""What the measurements say of the host."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.doctor.check import Check, State
from perfgate.doctor.echo_load import EchoResult
from perfgate.doctor.stillness import Stillness
from perfgate.gate.policy import Policy
from perfgate.units import NS_PER_MS, NS_PER_US, format_count, format_duration, format_percent

GOOD_LAG_NS = 300 * NS_PER_US
GOOD_LOST, MOST_LOST = 0.001, 0.01
"""Share of the time that interruptions take from a processor at rest."""
GOOD_STOLEN, MOST_STOLEN = 0.001, 0.01
EASY_WORKER, FULL_WORKER = 0.6, 0.85
"""Share of its processor that a worker uses."""
KERNEL_THREADS = ("kworker/", "ksoftirqd/", "rcu_", "kcompactd", "kswapd", "migration/")
"""Nobody can end them; they are shown beside the spectrum."""
TOP = "ps -eo pcpu,pid,user,comm --sort=-pcpu | head"


def echo_checks(echo: EchoResult, policy: Policy) -> Iterator[Check]:
    yield pacing(echo, policy)
    yield rate_held(echo, policy)
    yield worker_load(echo)


def pacing(echo: EchoResult, policy: Policy) -> Check:
    """Whether requests go out when they are due; beyond the policy's limit every gate would be INVALID."""
    lag, limit = echo.total.lag, policy.max_lag_p99_ns
    name, why = "pacing", f"a gate is INVALID where the p99 of the generator's own lag is over {format_duration(limit)}"
    if not lag.total:
        return Check(name, State.BAD, "nothing was sent", why, "see the agent's log", forbids=True)
    p50, p99 = lag.quantiles([0.5, 0.99]).tolist()
    dropped = len(echo.pair.couples) - len(echo.pair.usable)
    found = f"sent late by p50 {format_duration(p50)}, p99 {format_duration(p99)}"
    found += f"; {dropped} of {len(echo.pair.couples)} couples spoilt" if dropped else ""
    if p99 > limit:
        return Check(
            name, State.BAD, found, why, "end other work on this host, add processors or lower the rate", TOP, True
        )
    if p99 > GOOD_LAG_NS or dropped:
        return Check(name, State.FAIR, found, why, "keep other work off this host while it measures", TOP)
    return Check(name, State.GOOD, found, why)


def rate_held(echo: EchoResult, policy: Policy) -> Check:
    """Whether all that was due was sent and answered, by a server that can hardly be the reason."""
    total = echo.total
    name, why = "rate", "requests that are not sent are not measured, and those that fail tell nothing"
    found = f"{format_count(total.completed)} of {format_count(total.due)} requests sent and answered"
    cut = any(report.saturated or report.lost for report in echo.reports)
    if total.due and not cut and total.failures == 0 and total.sent >= policy.min_offered * total.due:
        return Check(name, State.GOOD, found, why)
    words = f"; {total.examples[0][:60]}" if total.examples else ""
    return Check(
        name, State.BAD, found + words, why, "lower the rate, or add --workers on a host with more processors",
        forbids=True,
    )  # fmt: skip


def worker_load(echo: EchoResult) -> Check:
    """A queue in front of a busy worker grows without bound."""
    name, why = "load worker", "a worker near the end of its processor is late for the next request"
    shares = [report.usage.cpu_share for report in echo.reports]
    if not shares:
        return Check(name, State.UNKNOWN, "no worker reported", why)
    found = f"uses {format_percent(max(shares))} of its processor"
    if max(shares) <= EASY_WORKER:
        return Check(name, State.GOOD, found, why)
    state = State.FAIR if max(shares) <= FULL_WORKER else State.BAD
    return Check(name, state, found, why, "add --workers, where there are processors for them, or lower the rate")


def stillness_check(stillness: Stillness) -> Check:
    """What is taken from a processor that only the probe uses."""
    name, why = "stillness", "what interrupts a processor delays whatever request it serves then"
    lost = max((one.lost_share for one in stillness.noise), default=None)
    if lost is None:
        return Check(name, State.UNKNOWN, "nothing was listened to", why)
    longest = max(one.longest_ns for one in stillness.noise)
    found = f"{lost * 100:.2g} % of the time lost, {format_duration(longest)} at once" if longest else "no interruption"
    if lost <= GOOD_LOST and longest <= 10 * NS_PER_MS:
        return Check(name, State.GOOD, found, why)
    known = [one for one in stillness.culprits if not one.name.startswith(KERNEL_THREADS)]
    guilty = ", ".join(f"{one.name} (pid {one.pid}, {format_percent(one.share)})" for one in known[:3])
    remedy = f"these used the processors meanwhile: {guilty}; end what need not run" if guilty else (
        "no process of this machine used much meanwhile: look at its interrupts, and at the hypervisor")  # fmt: skip
    command = TOP if guilty else "watch -d -n 1 cat /proc/interrupts"
    return Check(name, State.FAIR if lost <= MOST_LOST else State.BAD, found, why, remedy, command)


def stolen_check(stolen: float | None) -> Check:
    """stolen: a share of all processors' time, as /proc/stat has it; None where it does not tell."""
    name, why = "stolen time", "time that the hypervisor gave to others while this machine wanted it"
    if stolen is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    found = f"{stolen * 100:.2g} % of all processors' time"
    if stolen <= GOOD_STOLEN:
        return Check(name, State.GOOD, found, why)
    state = State.FAIR if stolen <= MOST_STOLEN else State.BAD
    remedy = "ask for dedicated processors, or gate when the neighbours are quiet"
    return Check(name, state, found, why, remedy, "vmstat 1 10    # the column st")
