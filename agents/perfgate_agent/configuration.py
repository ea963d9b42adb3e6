"""What this machine allows its agent to do. Nothing that comes over the wire can widen it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perfgate.address import Address, is_loopback
from perfgate.errors import InputError
from perfgate.targets.model import Target


@dataclass(frozen=True, slots=True)
class AgentConfiguration:
    """targets: what the host skill may start, by name, read from this machine's own files. worker_cpus, store_cpus:
    processors of the load workers (one each) and of the store; empty: not pinned."""

    name: str
    host: str
    port: int
    cache_dir: Path
    work_dir: Path
    workers: int
    worker_cpus: tuple[int, ...] = ()
    store_cpus: tuple[int, ...] = ()
    targets: Mapping[str, Target] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_loopback(self.host):
            raise InputError(
                f"agent address {self.host}: only loopback addresses are served without TLS; use --host 127.0.0.1"
            )
        if self.workers < 1:
            raise InputError(f"--workers {self.workers}: an agent needs at least one worker process")

    def target(self, name: str) -> Target:
        """Raises InputError for a target that this machine's configuration does not name."""
        if name not in self.targets:
            known = ", ".join(sorted(self.targets)) or "none"
            raise InputError(
                f"agent {self.name} may not start target {name!r} (allowed here: {known}); "
                "start the agent with --target FILE for it"
            )
        return self.targets[name]

    def check_address(self, address: Address) -> None:
        """Raises InputError for an address that this agent may not load."""
        if not address.local:
            raise InputError(f"agent {self.name} may not load {address}: only loopback addresses are allowed here")


def share_cpus(cpus: tuple[int, ...], parties: int) -> list[tuple[int, ...]]:
    """Processors of its own for each party, equally many, neighbours together; all of them for all where there is not one
    for each."""
    each = len(cpus) // parties if parties else 0
    return [cpus[number * each : (number + 1) * each] if each else cpus for number in range(parties)]


def divide_cpus(workers: int, available: set[int] | None = None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(worker_cpus, store_cpus): a processor a worker from the upper end, the rest for the store.

    With too few processors to give each worker one and leave one for the store, workers share the upper half; with
    one processor nothing is pinned.
    """
    cpus = sorted(available if available is not None else os.sched_getaffinity(0))
    if len(cpus) < 2:
        return (), ()
    taken = min(workers, max(1, len(cpus) // 2))
    own, rest = cpus[-taken:], cpus[:-taken]
    return tuple(own[number % taken] for number in range(workers)), tuple(rest)
