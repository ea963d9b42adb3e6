"""What this machine allows its agent to do. Nothing that comes over the wire can widen it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perfgate.address import Address
from perfgate.errors import InputError
from perfgate.plan import LANES
from perfgate.scenario.model import DataSpec
from perfgate.targets.model import Target
from perfgate.trust.files import TlsFiles
from perfgate_agent.allowed import LOCAL, AllowedAddresses, needs_tls
from perfgate_agent.limits import Limits
from perfgate_agent.store_user import StoreUser


@dataclass(frozen=True, slots=True)
class AgentConfiguration:
    """targets: what the host skill may start, by name, read from this machine's own files. worker_cpus, store_cpus:
    processors of the load workers (one each) and of the store; empty: not pinned. tls: None on loopback alone. allowed:
    what may be loaded. vector_directories: where files of vectors that a scenario names may lie; None: anywhere, for an agent
    of the user's own. stores_listen: the address on which stores that are told {host} listen; empty: loopback, where no other
    machine can load them. store_user: as whom stores run; None: as the agent's own user. drain_ns: how long a running session
    may go on after the first signal."""

    name: str
    host: str
    port: int
    cache_dir: Path
    work_dir: Path
    workers: int
    worker_cpus: tuple[int, ...] = ()
    store_cpus: tuple[int, ...] = ()
    targets: Mapping[str, Target] = field(default_factory=dict)
    tls: TlsFiles | None = None
    allowed: AllowedAddresses = LOCAL
    vector_directories: tuple[Path, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    drain_ns: int = 0
    stores_listen: str = ""
    store_user: StoreUser | None = None

    def __post_init__(self) -> None:
        if needs_tls(self.host) and self.tls is None:
            raise InputError(
                f"agent address {self.host}: only loopback addresses are served without TLS; use 127.0.0.1, or give [tls] in "
                "the file of --config, with certificates by perfgate certs"
            )
        if self.workers < 1:
            raise InputError(f"--workers {self.workers}: an agent needs at least one worker process")
        if self.workers > LANES:
            raise InputError(
                f"--workers {self.workers}: a plan has {LANES} lanes, so that more workers would have nothing to send"
            )

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
        if not self.allowed.admits(address):
            raise InputError(
                f"agent {self.name} may not load {address} (allowed here: {self.allowed.words}); load.addresses in the "
                "agent's own configuration says what it may"
            )

    def check_data(self, data: DataSpec) -> None:
        """Raises InputError for a file of vectors outside of the directories for them, and for too much data."""
        self.limits.check_data(data)
        if data.embedding.path is None or self.vector_directories is None:
            return
        real = os.path.realpath(data.embedding.path)  # with `..` and symbolic links followed
        if not any(real.startswith(f"{os.path.realpath(place)}{os.sep}") for place in self.vector_directories):
            known = ", ".join(map(str, self.vector_directories)) or "none"
            raise InputError(
                f"agent {self.name} may not read {data.embedding.path!r} (directories of vectors here: {known}); "
                "load.vector_directories in the agent's own configuration says which"
            )


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


def check_cpus(wanted: Sequence[int] | None, field: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """Raises InputError for processors that this machine, or this process, does not have."""
    if wanted is None:
        return default
    available = os.sched_getaffinity(0)
    if not set(wanted) <= available:
        have = ",".join(map(str, sorted(available)))
        raise InputError(f"{field} {','.join(map(str, wanted))}: this machine has processors {have}")
    return tuple(wanted)
