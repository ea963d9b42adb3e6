"""Which other processes used the processors meanwhile: the usual suspects of noise, by name."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from perfgate.doctor.tree import Tree, to_integer

LEAST_SHARE = 0.005
MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ProcessTime:
    """ticks: of processor time so far, user and system."""

    name: str
    parent: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Culprit:
    """share: of one processor."""

    name: str
    pid: int
    share: float


def read_processes(tree: Tree) -> dict[int, ProcessTime]:
    """All processes that can be seen, by pid."""
    found = {}
    for path in tree.matches("proc/[0-9]*/stat"):
        pid = to_integer(path.split("/")[1])
        process = _parse(tree.text(path) or "")
        if pid is not None and process is not None:
            found[pid] = process
    return found


def culprits(
    before: Mapping[int, ProcessTime], after: Mapping[int, ProcessTime], seconds: float, own: Collection[int],
    ticks_a_second: int = os.sysconf("SC_CLK_TCK"),
) -> tuple[Culprit, ...]:  # fmt: skip
    """Those that used most between two readings, without `own` and what descends from it. One that began meanwhile counts
    from nothing; one that ended is not seen."""
    mine = _with_descendants(own, after)
    found = []
    for pid, process in after.items():
        known = before.get(pid)
        ticks = process.ticks - (known.ticks if known and known.name == process.name else 0)
        share = ticks / ticks_a_second / seconds if seconds > 0 else 0.0
        if pid not in mine and share >= LEAST_SHARE:
            found.append(Culprit(process.name, pid, share))
    return tuple(sorted(found, key=lambda culprit: (-culprit.share, culprit.pid))[:MOST_SHOWN])


def _with_descendants(own: Collection[int], processes: Mapping[int, ProcessTime]) -> set[int]:
    mine = set(own)
    while more := {pid for pid, process in processes.items() if process.parent in mine} - mine:
        mine |= more
    return mine


def _parse(text: str) -> ProcessTime | None:
    """A line of /proc/PID/stat; the name stands in brackets and may hold blanks and brackets."""
    before, bracket, name = text.partition("(")
    name, closing, rest = name.rpartition(")")
    fields = rest.split()
    if not (before and bracket and closing) or len(fields) < 13:
        return None
    parent, user, system = (to_integer(fields[index]) for index in (1, 11, 12))
    if parent is None or user is None or system is None:
        return None
    return ProcessTime("".join(letter for letter in name if letter.isprintable()), parent, user + system)
