"""Reads a host's facts. Every source may be missing or garbled; what cannot be told is None."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

from perfgate_agent.configuration import divide_cpus

from perfgate.doctor.facts import HostFacts, KernelFacts, LimitFacts, ProcessorFacts
from perfgate.doctor.tree import Tree, parse_cpus, to_integer

CPU = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"
CAP_SYS_NICE = 1 << 23
HYPERVISORS = {
    "qemu": "QEMU/KVM", "kvm": "KVM", "amazon ec2": "Amazon EC2", "google": "Google Compute Engine",
    "microsoft corporation": "Hyper-V", "vmware": "VMware", "xen": "Xen", "virtualbox": "VirtualBox",
    "innotek": "VirtualBox", "openstack": "OpenStack", "digitalocean": "DigitalOcean", "parallels": "Parallels",
}  # fmt: skip
"""What a machine's maker or product begins with, and what it means."""


def read_host(tree: Tree, workers: int = 1, cache_dir: Path | None = None) -> HostFacts:
    """All facts. cache_dir: where data are cached; its file system is asked for room."""
    processor = read_processor(tree)
    worker_cpus, store_cpus = divide_cpus(workers, set(processor.allowed)) if processor.allowed else ((), ())
    return HostFacts(processor, read_kernel(tree), read_limits(tree, cache_dir), worker_cpus, store_cpus)


def read_processor(tree: Tree) -> ProcessorFacts:
    quota, quota_file = _quota(tree)
    boost, boost_command = _boost(tree)
    governors = {tree.text(path) for path in tree.matches(f"{CPU}/cpu[0-9]*/cpufreq/scaling_governor")}
    return ProcessorFacts(
        model=tree.field("proc/cpuinfo", "model name"),
        allowed=_allowed(tree),
        quota=quota,
        quota_file=quota_file,
        siblings=dict(_siblings(tree)),
        isolated=tree.cpus(f"{CPU}/isolated"),
        nohz_full=tree.cpus(f"{CPU}/nohz_full"),
        governors=tuple(sorted(name for name in governors if name)),
        driver=tree.text(f"{CPU}/cpu0/cpufreq/scaling_driver"),
        boost=boost,
        boost_command=boost_command,
        idle_us=_idle_us(tree),
    )


def read_kernel(tree: Tree) -> KernelFacts:
    soft_hard = _limit(tree, "Max realtime priority")
    return KernelFacts(
        release=tree.text("proc/sys/kernel/osrelease"),
        preemption=_preemption(tree),
        clock_source=tree.text(f"{CLOCK}/current_clocksource"),
        clock_sources=tuple((tree.text(f"{CLOCK}/available_clocksource") or "").split()),
        hypervisor=_hypervisor(tree),
        container=_container(tree),
        realtime_limit=soft_hard[0] if soft_hard else None,
        may_nice=_may_nice(tree),
        timer_slack_ns=tree.integer("proc/self/timerslack_ns"),
    )


def read_limits(tree: Tree, cache_dir: Path | None) -> LimitFacts:
    total, free = (_kibibytes(tree, name) for name in ("SwapTotal", "SwapFree"))
    return LimitFacts(
        open_files=_limit(tree, "Max open files"),
        ports=_ports(tree),
        somaxconn=tree.integer("proc/sys/net/core/somaxconn"),
        memory_available=_kibibytes(tree, "MemAvailable"),
        swap_used=max(0, total - free) if total is not None and free is not None else None,
        disk_free=_disk_free(cache_dir) if cache_dir else None,
        disk_directory=str(cache_dir or ""),
    )


def _allowed(tree: Tree) -> tuple[int, ...] | None:
    listed = tree.field("proc/self/status", "Cpus_allowed_list")
    return (parse_cpus(listed) or None) if listed else None


def _siblings(tree: Tree) -> Iterator[tuple[int, tuple[int, ...]]]:
    for path in tree.matches(f"{CPU}/cpu[0-9]*/topology/thread_siblings_list"):
        number = to_integer(path.split("/")[4].removeprefix("cpu"))
        threads = tree.cpus(path)
        if number is not None and threads:
            yield number, threads


def _quota(tree: Tree) -> tuple[float | None, str | None]:
    """(cores, file) of the tightest limit from this process's control group up to the root; (inf, None) without one,
    (None, None) where it cannot be told."""
    found: list[tuple[float, str]] = []
    groups = list(_groups(tree))
    for base, path in groups:
        where = path
        while True:
            limit = _quota_of(tree, f"{base}{where}".rstrip("/"))
            if limit is not None:
                found.append(limit)
            if where in ("", "/"):
                break
            where = where.rpartition("/")[0]
    if not groups or any(math.isnan(quota) for quota, _ in found):
        return None, None
    quota, file = min(found, default=(math.inf, ""))
    return (quota, file) if math.isfinite(quota) else (math.inf, None)


def _groups(tree: Tree) -> Iterator[tuple[str, str]]:
    """(mount point, path) of the control groups that can limit processor time: version 2, or `cpu` of version 1."""
    for line in tree.lines("proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not path.startswith("/") or ".." in path.split("/"):
            continue
        if number == "0" and not controllers:
            yield "sys/fs/cgroup", path
        elif "cpu" in controllers.split(","):
            yield "sys/fs/cgroup/cpu", path


def _quota_of(tree: Tree, directory: str) -> tuple[float, str] | None:
    """(cores, file); inf for `max`, NaN for what is no limit, None where the group has none."""
    if (text := tree.text(f"{directory}/cpu.max")) is not None:
        quota, _, period = text.partition(" ")
        return _cores(quota, period), f"/{directory}/cpu.max"
    quotas, periods = (tree.text(f"{directory}/cpu.cfs_{name}_us") for name in ("quota", "period"))
    return (_cores(quotas, periods or ""), f"/{directory}/cpu.cfs_quota_us") if quotas is not None else None


def _cores(quota: str, period: str) -> float:
    if quota in ("max", "-1"):
        return math.inf
    granted, every = to_integer(quota), to_integer(period)
    return granted / every if granted and every and granted > 0 and every > 0 else math.nan


def _boost(tree: Tree) -> tuple[bool | None, str]:
    """Whether processors may clock above their base rate, and the command that forbids it."""
    if (off := tree.integer(f"{CPU}/intel_pstate/no_turbo")) in (0, 1):
        return off == 0, f"echo 1 | sudo tee /{CPU}/intel_pstate/no_turbo"
    if (on := tree.integer(f"{CPU}/cpufreq/boost")) in (0, 1):
        return on == 1, f"echo 0 | sudo tee /{CPU}/cpufreq/boost"
    return None, ""


def _idle_us(tree: Tree) -> int | None:
    """The longest exit latency of cpu0's enabled idle states."""
    found = []
    for path in tree.matches(f"{CPU}/cpu0/cpuidle/state[0-9]*/latency"):
        latency = tree.integer(path)
        if latency is not None and tree.text(path.replace("/latency", "/disable")) != "1":
            found.append(latency)
    return max(found, default=None)


def _preemption(tree: Tree) -> str | None:
    match = re.search(r"\bPREEMPT(_RT|_DYNAMIC|_LAZY)?\b", tree.text("proc/version") or "")
    return match[0] if match else None


def _hypervisor(tree: Tree) -> str | None:
    if kind := tree.text("sys/hypervisor/type"):
        return kind
    dmi = [tree.text(f"sys/class/dmi/id/{name}") or "" for name in ("sys_vendor", "product_name")]
    for words in dmi:
        for start, name in HYPERVISORS.items():
            if words.lower().startswith(start):
                return name
    flags = tree.field("proc/cpuinfo", "flags")
    if flags is None:
        return None
    return "unknown hypervisor" if "hypervisor" in flags.split() else ""


def _container(tree: Tree) -> str:
    if tree.exists(".dockerenv"):
        return "Docker"
    return "Podman" if tree.exists("run/.containerenv") else ""


def _may_nice(tree: Tree) -> bool | None:
    bits = tree.field("proc/self/status", "CapEff") or ""
    return bool(int(bits, 16) & CAP_SYS_NICE) if re.fullmatch(r"[0-9a-fA-F]{1,16}", bits) else None


def _limit(tree: Tree, name: str) -> tuple[float, float] | None:
    """(soft, hard) of a line of /proc/self/limits."""
    for line in tree.lines("proc/self/limits"):
        if line.startswith(name):
            values = [math.inf if word == "unlimited" else to_integer(word) for word in line[len(name) :].split()[:2]]
            if len(values) == 2 and values[0] is not None and values[1] is not None:
                return values[0], values[1]
    return None


def _ports(tree: Tree) -> tuple[int, int] | None:
    values = [to_integer(word) for word in (tree.text("proc/sys/net/ipv4/ip_local_port_range") or "").split()]
    if len(values) != 2 or values[0] is None or values[1] is None or not 0 < values[0] <= values[1] < 65536:
        return None
    return values[0], values[1]


def _kibibytes(tree: Tree, name: str) -> int | None:
    words = (tree.field("proc/meminfo", name) or "").split()
    value = to_integer(words[0]) if words else None
    return value * 1024 if value is not None and value >= 0 else None


def _disk_free(directory: Path) -> int | None:
    """Of the file system that holds the directory, or will hold it once it is made."""
    for place in (directory, *directory.absolute().parents):
        try:
            status = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return status.f_bavail * status.f_frsize
    return None
