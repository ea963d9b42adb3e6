"""Made-up /proc and /sys trees for the doctor's tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from perfgate.doctor.tree import Tree

CPU = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"
GOOD: Mapping[str, str] = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Imaginary 9000\nflags\t\t: fpu tsc constant_tsc\n",
    "proc/self/status": "Name:\tx\nCapEff:\t0000000000800000\nCpus_allowed_list:\t0-7\n",
    "proc/self/limits": (
        "Limit                     Soft Limit           Hard Limit           Units\n"
        "Max open files            65536                unlimited            files\n"
        "Max realtime priority     10                   10\n"
    ),
    "proc/self/cgroup": "0::/user.slice/one.scope\n",
    "proc/self/timerslack_ns": "50000\n",
    "proc/meminfo": "MemTotal: 33554432 kB\nMemAvailable: 30000000 kB\nSwapTotal: 1000 kB\nSwapFree: 1000 kB\n",
    "proc/stat": "cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1 2 3\n",
    "proc/sys/kernel/osrelease": "6.1.0-28-amd64\n",
    "proc/sys/net/core/somaxconn": "4096\n",
    "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
    "proc/version": "Linux version 6.1.0 (gcc) #1 SMP PREEMPT_DYNAMIC Debian\n",
    "sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
    f"{CPU}/isolated": "7\n",
    f"{CPU}/nohz_full": "7\n",
    f"{CPU}/cpufreq/boost": "0\n",
    f"{CPU}/cpu0/cpufreq/scaling_driver": "acpi-cpufreq\n",
    f"{CPU}/cpu0/cpuidle/state0/latency": "0\n",
    f"{CPU}/cpu0/cpuidle/state1/latency": "2\n",
    f"{CPU}/cpu0/cpuidle/state2/latency": "200\n",
    f"{CPU}/cpu0/cpuidle/state2/disable": "1\n",
    f"{CLOCK}/current_clocksource": "tsc\n",
    f"{CLOCK}/available_clocksource": "tsc hpet acpi_pm\n",
    "sys/class/dmi/id/sys_vendor": "Imaginary Machines\n",
    **{f"{CPU}/cpu{number}/cpufreq/scaling_governor": "performance\n" for number in range(8)},
    **{f"{CPU}/cpu{number}/topology/thread_siblings_list": f"{number}\n" for number in range(8)},
}
"""A host with nothing to wish for: eight cores, one isolated, nothing that follows the load."""


def make_tree(root: Path, *changes: Mapping[str, str | bytes | None]) -> Tree:
    """The good host with these files changed; None: without the file."""
    files: dict[str, str | bytes | None] = dict(GOOD)
    for change in changes:
        files.update(change)
    for name, content in files.items():
        path = root / name
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Tree(root)
