"""CPU time that the hypervisor took away, from /proc/stat."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Ticks = Mapping[str, tuple[int, int]]
"""(stolen, all) ticks since boot, by /proc/stat's own names: `cpu` for all processors, `cpu0` for the first."""


def read_cpu_ticks() -> tuple[int, int]:
    """(stolen, all) ticks of all processors since boot; (0, 0) where there is no /proc/stat."""
    return read_all_ticks().get("cpu", (0, 0))


def read_all_ticks() -> Ticks:
    """Of all processors together and of each; nothing where there is no /proc/stat."""
    try:
        lines = [line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu")]
        return {name: _ticks([int(field) for field in fields[:8]]) for name, *fields in lines}
    except (OSError, ValueError):
        return {}


def stolen_share(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Share of the time between two readings; 0 where nothing passed."""
    passed = after[1] - before[1]
    return max(0, after[0] - before[0]) / passed if passed > 0 else 0.0


def _ticks(fields: list[int]) -> tuple[int, int]:
    """user, nice, system, idle, iowait, irq, softirq, steal; what follows (guests) is part of user and nice."""
    return fields[7] if len(fields) > 7 else 0, sum(fields)
