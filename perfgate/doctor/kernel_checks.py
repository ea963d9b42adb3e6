"""What the kernel is like, and what it lets this user do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from perfgate.doctor.check import Check, State
from perfgate.doctor.facts import KernelFacts
from perfgate.units import format_duration

OLDEST = (5, 4)
"""The first long-term kernel whose listen backlog is 4096 by default; timerfd is far older."""
GOOD_CLOCKS = {"tsc", "arch_sys_counter", "hyperv_clocksource_tsc_page"}
"""Read in user space in some 20 ns."""
FAIR_CLOCKS = {"kvm-clock"}
USUAL_SLACK_NS = 50_000


def kernel_checks(facts: KernelFacts, granted: bool | None = None) -> Iterator[Check]:
    """granted: whether a process that asked for SCHED_FIFO got it; None where none could ask."""
    yield real_time(facts, granted)
    yield clock_source(facts)
    yield timer_slack(facts)
    yield virtualisation(facts)
    yield kernel(facts)


def real_time(facts: KernelFacts, granted: bool | None) -> Check:
    """Whether a worker may run before everything else. What was tried counts more than what the limits say."""
    name = "real-time priority"
    why = "a worker that waits for a processor measures its own waiting; nice values do not spare it"
    may = granted
    if may is None and (facts.may_nice is not None or facts.realtime_limit is not None):
        may = bool(facts.may_nice) or (facts.realtime_limit or 0) >= 1
    if may is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    if may:
        return Check(name, State.GOOD, "SCHED_FIFO granted" if granted else "SCHED_FIFO allowed", why)
    if facts.container:
        return Check(
            name, State.FAIR, "SCHED_FIFO refused", why, "start the container with the capability",
            "docker run --cap-add SYS_NICE …",
        )  # fmt: skip
    return Check(
        name, State.FAIR, "SCHED_FIFO refused", why, "allow it to this user, then log in again",
        'echo "$USER - rtprio 10" | sudo tee /etc/security/limits.d/perfgate.conf',
    )  # fmt: skip


def clock_source(facts: KernelFacts) -> Check:
    """Every request takes several readings of the clock."""
    name, why = "clock source", "the clock is read several times a request; a slow one needs a system call each time"
    if facts.clock_source is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    if facts.clock_source in GOOD_CLOCKS:
        return Check(name, State.GOOD, facts.clock_source, why)
    state = State.FAIR if facts.clock_source in FAIR_CLOCKS else State.BAD
    better = sorted(GOOD_CLOCKS & set(facts.clock_sources))
    if better:
        command = f"echo {better[0]} | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource"
        return Check(name, state, facts.clock_source, why, f"take {better[0]}, which this kernel has", command)
    return Check(name, state, facts.clock_source, why, "boot with tsc=reliable if this is bare metal; see what there is",
                 "cat /sys/devices/system/clocksource/clocksource0/available_clocksource")  # fmt: skip


def timer_slack(facts: KernelFacts) -> Check:
    """How late the kernel may let timers run together. Workers ask for 1 ns; stores have what they inherit."""
    name, why = (
        "timer slack",
        "the kernel delays a sleep by up to this, in the store; load workers set their own to 1 ns",
    )
    if facts.timer_slack_ns is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    found = format_duration(facts.timer_slack_ns)
    if 0 < facts.timer_slack_ns <= USUAL_SLACK_NS:
        return Check(name, State.GOOD, f"{found} (inherited by stores)", why)
    return Check(
        name, State.FAIR, f"{found} (inherited by stores)", why, "set this shell's back to the usual 50 µs",
        "echo 50000 | sudo tee /proc/$$/timerslack_ns",
    )  # fmt: skip


def virtualisation(facts: KernelFacts) -> Check:
    """A virtual machine's processors are lent."""
    name, why = "virtualisation", "a hypervisor may take a processor away at any time, and need not tell"
    inside = f", in a container ({facts.container})" if facts.container else ""
    if facts.hypervisor is None:
        return Check(name, State.UNKNOWN, f"not told by this kernel{inside}", why)
    if not facts.hypervisor:
        return Check(name, State.GOOD, f"none{inside}", why)
    return Check(
        name, State.FAIR, f"{facts.hypervisor}{inside}", why,
        "gate on a machine of your own, or ask for dedicated processors; watch what is stolen meanwhile",
        "vmstat 1 10    # the column st",
    )  # fmt: skip


def kernel(facts: KernelFacts) -> Check:
    name, why = "kernel", "older kernels have smaller limits and coarser scheduling"
    match = re.match(r"(\d{1,4})\.(\d{1,4})", facts.release or "")
    if not match:
        return Check(name, State.UNKNOWN, "not told" if facts.release is None else "no version in its name", why)
    found = f"Linux {facts.release}" + (f", {facts.preemption}" if facts.preemption else "")
    if (int(match[1]), int(match[2])) >= OLDEST:
        return Check(name, State.GOOD, found, why)
    return Check(
        name, State.FAIR, found, why, f"take Linux {OLDEST[0]}.{OLDEST[1]} or newer",
        "sudo apt-get update && sudo apt-get full-upgrade && sudo reboot",
    )  # fmt: skip
