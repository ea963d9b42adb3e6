"""What the processors are like."""

from __future__ import annotations

import math
from collections.abc import Iterator

from perfgate.doctor.check import Check, State
from perfgate.doctor.facts import HostFacts, ProcessorFacts
from perfgate.doctor.needs import Needs
from perfgate.doctor.tree import show_cpus

ROOMY_CPUS = 4
"""One for a load worker, two for a store's threads, one for agent, controller and the system."""
DEEP_IDLE_US = 50
GOVERNOR = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
FIXED_LOW = {"powersave", "conservative"}
INTEL = "intel_pstate"
"""The driver whose `powersave` is a governor that follows the load."""


def processor_checks(facts: HostFacts, needs: Needs) -> Iterator[Check]:
    """In the order in which they matter."""
    yield cores(facts, needs)
    yield quota(facts.processor)
    yield siblings(facts)
    yield isolation(facts)
    yield governor(facts.processor)
    yield boost(facts.processor)
    yield idle_states(facts.processor)


def cores(facts: HostFacts, needs: Needs) -> Check:
    """Whether the generator can have processors that the store does not use."""
    name, why = "processors", "a generator that shares a processor with the store measures its own waiting"
    allowed = facts.processor.allowed
    if not allowed:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    found = f"{len(allowed)} ({show_cpus(allowed)})"
    remedy = f"give this machine or container {max(ROOMY_CPUS, needs.workers + 3)} processors"
    if len(allowed) <= needs.workers:
        return Check(
            name, State.BAD, f"{found}: too few to keep {_workers(needs)} off the store's", why, remedy,
            "lscpu --extended",
        )  # fmt: skip
    placed = f"{found}: workers on {show_cpus(facts.worker_cpus)}, stores on {show_cpus(facts.store_cpus)}"
    if len(allowed) < max(ROOMY_CPUS, needs.workers + 3):
        return Check(
            name, State.FAIR, placed, f"{why}; here the store shares its processors with the rest of the system",
            remedy, "lscpu --extended",
        )  # fmt: skip
    return Check(name, State.GOOD, placed, why)


def quota(facts: ProcessorFacts) -> Check:
    """A control group's limit is kept by standing still for the rest of each period."""
    name = "processor quota"
    why = "a control group that has used up its quota stands still for the rest of the period, up to 100 ms"
    if facts.quota is None:
        return Check(name, State.UNKNOWN, "no control group can be read", why)
    if not math.isfinite(facts.quota):
        return Check(name, State.GOOD, "no limit", why)
    have = len(facts.allowed) if facts.allowed else None
    state = State.FAIR if have is not None and facts.quota >= have else State.BAD
    found = f"{facts.quota:g} processors a period" + (f" for {have}" if have else "")
    command = f"echo max | sudo tee {facts.quota_file}"
    if facts.quota_file and facts.quota_file.endswith("cfs_quota_us"):
        command = f"echo -1 | sudo tee {facts.quota_file}"
    return Check(name, state, found, why, "pin processors instead of limiting time (docker run --cpuset-cpus)", command)


def siblings(facts: HostFacts) -> Check:
    """Threads of one core slow each other down by tens of percent."""
    name, why = "threads of a core", "two threads of one core take execution units and caches from each other"
    known, workers, stores = facts.processor.siblings, facts.worker_cpus, facts.store_cpus
    if not known or not (workers and stores):
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    shared = sorted(
        (worker, store)
        for worker in set(workers)
        for store in stores
        if store != worker and store in known.get(worker, ())
    )
    if shared:
        worker, store = shared[0]
        return Check(
            name, State.FAIR, f"worker's {worker} and store's {store} are threads of one core", why,
            "switch the second threads off, or place workers by hand (perfgate agent serve --worker-cpus)",
            "echo off | sudo tee /sys/devices/system/cpu/smt/control",
        )  # fmt: skip
    doubled = any(len(threads) > 1 for threads in known.values())
    return Check(name, State.GOOD, "no core serves both worker and store" if doubled else "one a core", why)


def isolation(facts: HostFacts) -> Check:
    """Processors that the scheduler leaves alone."""
    name, why = "isolated processors", "nothing else is put on an isolated processor, and its clock tick can be stopped"
    isolated = facts.processor.isolated
    if isolated is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    if not facts.worker_cpus:
        return Check(name, State.UNKNOWN, "no processor could be set apart", why)
    wanted = show_cpus(tuple(sorted(set(facts.worker_cpus))))
    if set(facts.worker_cpus) <= set(isolated):
        ticks = "tick stopped" if set(facts.worker_cpus) <= set(facts.processor.nohz_full or ()) else "tick goes on"
        return Check(name, State.GOOD, f"{show_cpus(isolated)}, {ticks}", why)
    words = f"isolcpus={wanted} nohz_full={wanted} rcu_nocbs={wanted}"
    return Check(
        name, State.FAIR, f"worker's {wanted} not isolated", why,
        "boot with an isolated processor for the worker, and start perfgate under `taskset --cpu-list`, as a shell's "
        "processors leave isolated ones out",
        f"""sudo sed -i 's/^GRUB_CMDLINE_LINUX="/&{words} /' /etc/default/grub && sudo update-grub && sudo reboot""",
    )  # fmt: skip


def governor(facts: ProcessorFacts) -> Check:
    """A clock rate that follows the load makes a store faster the more it is loaded."""
    name, why = "frequency governor", "a clock that follows the load changes every latency while it is measured"
    if not facts.governors:
        return Check(name, State.UNKNOWN, "no cpufreq: the hypervisor or the firmware decides", why)
    found = ", ".join(facts.governors)
    if facts.governors == ("performance",):
        return Check(name, State.GOOD, found, why)
    low = bool(FIXED_LOW & set(facts.governors)) and facts.driver != INTEL
    return Check(name, State.BAD if low else State.FAIR, found, why, "let all processors run at full rate", GOVERNOR)


def boost(facts: ProcessorFacts) -> Check:
    """How long a processor keeps its boost depends on heat and on its neighbours."""
    name, why = "turbo", "how far a processor clocks up depends on heat and on what its neighbours do"
    if facts.boost is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    if not facts.boost:
        return Check(name, State.GOOD, "off", why)
    return Check(name, State.FAIR, "on", why, "switch it off for the gate", facts.boost_command)


def idle_states(facts: ProcessorFacts) -> Check:
    """Between requests a processor sleeps, and the next one waits for it to wake."""
    name, why = "idle states", "at rates that leave pauses, each request waits until a processor has woken up"
    if facts.idle_us is None:
        return Check(name, State.UNKNOWN, "no cpuidle: the hypervisor or the firmware decides", why)
    found = f"deepest wakes in {facts.idle_us} µs"
    if facts.idle_us <= DEEP_IDLE_US:
        return Check(name, State.GOOD, found, why)
    return Check(
        name, State.FAIR, found, why, f"forbid those above {DEEP_IDLE_US} µs (package linux-cpupower)",
        f"sudo cpupower idle-set -D {DEEP_IDLE_US}",
    )  # fmt: skip


def _workers(needs: Needs) -> str:
    return "the load worker" if needs.workers == 1 else f"{needs.workers} load workers"
