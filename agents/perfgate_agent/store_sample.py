"""Reads what a store takes up now: memory and processor time from /proc, its data directory from the disk."""

from __future__ import annotations

import os
from pathlib import Path

from perfgate.soak.sample import StoreSample
from perfgate_agent.ports import descendants

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def sample_store(pid: int, data_dir: Path) -> StoreSample:
    """Of the process and all below it; those that end meanwhile count nothing."""
    pids = descendants(pid)
    read = [_process(one) for one in pids]
    alive = [one for one in read if one is not None]
    return StoreSample(
        rss_bytes=sum(rss for rss, _ in alive),
        disk_bytes=disk_bytes(data_dir),
        cpu_ns=sum(cpu for _, cpu in alive),
        processes=len(alive),
    )


def disk_bytes(directory: Path) -> int:
    """Of all files that are still there when they are looked at: a store removes some while it works."""
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue
    return total


def _process(pid: int) -> tuple[int, int] | None:
    """(resident bytes, ns of processor time) as proc(5) has them; None for one that is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, IndexError, ValueError):
        return None
    return pages * _PAGE, (int(fields[11]) + int(fields[12])) * _TICK_NS
