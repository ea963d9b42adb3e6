"""CPU time that the hypervisor took away, from /proc/stat."""

from __future__ import annotations

from pathlib import Path


def read_cpu_ticks() -> tuple[int, int]:
    """(stolen, all) ticks of all processors since boot; (0, 0) where there is no /proc/stat."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return 0, 0
    return fields[7] if len(fields) > 7 else 0, sum(fields)


def stolen_share(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Share of the time between two readings; 0 where nothing passed."""
    passed = after[1] - before[1]
    return (after[0] - before[0]) / passed if passed > 0 else 0.0
