"""What a store takes up at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreSample:
    """rss_bytes: resident memory of its process and all below it, pages they share counted for each; disk_bytes: of its data
    directory, as they are on the disk; cpu_ns: used since they began; at_ns: on the run's clock."""

    rss_bytes: int
    disk_bytes: int
    cpu_ns: int
    processes: int
    at_ns: int = 0
