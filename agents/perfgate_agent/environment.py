"""What kind of machine this is, for the record beside every number."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from perfgate import __version__


def describe_environment() -> dict[str, str]:
    """CPU model, cores, governor, kernel, Python, perfgate: all as text; what cannot be read is left out."""
    found = {
        "cpu": _cpu_model(),
        "cores": str(len(os.sched_getaffinity(0))),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clocksource": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "perfgate": __version__,
        "load": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }
    return {name: value for name, value in found.items() if value}


def machine_name() -> str:
    """The same for all who share this machine's loopback, which each network namespace has of its own; empty where that is
    not known (Linux, /proc). A digest: nobody needs to know the machine by it."""
    try:
        space = os.stat("/proc/self/ns/net")
    except OSError:
        return ""
    known = f"{_read('/proc/sys/kernel/random/boot_id')} {space.st_dev} {space.st_ino}"
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def _cpu_model() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
