"""Processor time that the hypervisor took away, from /proc/stat."""

from __future__ import annotations

from perfgate.doctor.tree import Tree, to_integer


def read_ticks(tree: Tree) -> tuple[int, int] | None:
    """(stolen, all) ticks of all processors since boot; None where the kernel does not say."""
    words = next((line.split()[1:] for line in tree.lines("proc/stat") if line.startswith("cpu ")), [])
    values = [to_integer(word) for word in words[:8]]
    known = [value for value in values if value is not None and value >= 0]
    return (known[7], sum(known)) if len(known) == 8 else None


def stolen_share(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    """Share of the time between two readings; None where it cannot be told."""
    if before is None or after is None or after[1] <= before[1]:
        return None
    return max(0, after[0] - before[0]) / (after[1] - before[1])
