"""A target: how a store is started, awaited, loaded, counted and stopped, and which adapter speaks to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perfgate.operation import Operation


@dataclass(frozen=True, slots=True)
class HostSpec:
    """`[host]`: how a fresh process is run. `command` is an argument list, never a shell line; placeholders {python},
    {port}, {data_dir}, {embedding_dim} are filled in by the host skill on its own machine."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    start_timeout_ns: int
    stop_signal: str
    stop_grace_ns: int
    copyable: bool
    """A stopped data directory can be copied and served by another process."""
    load_connections: int


@dataclass(frozen=True, slots=True)
class Target:
    """One target file, checked."""

    name: str
    description: str
    adapter: str
    operations: frozenset[Operation]
    options: Mapping[str, str | int | float | bool]
    host: HostSpec | None
    variants: Mapping[str, tuple[str, ...]]
    """Builds that --base and --candidate can name: further arguments to the command."""
    source: str
    """Canonical JSON of the file's content."""
