"""What there is room for."""

from __future__ import annotations

import math
from collections.abc import Iterator

from perfgate.doctor.check import Check, State
from perfgate.doctor.facts import LimitFacts
from perfgate.doctor.needs import Needs
from perfgate.units import format_bytes, format_count

OWN_FILES = 256
"""What a worker or a store has open besides connections."""
SPARE_PORTS = 5_000
"""Ports that closed connections of earlier pairs may still hold (TIME_WAIT, 60 s)."""
EASY = 2
"""With so many times what is needed there is room for indices and for everything else."""


def limit_checks(facts: LimitFacts, needs: Needs) -> Iterator[Check]:
    yield open_files(facts, needs)
    yield ports(facts, needs)
    yield backlog(facts, needs)
    yield memory(facts, needs)
    yield swap(facts)
    yield disk(facts, needs)


def open_files(facts: LimitFacts, needs: Needs) -> Check:
    """A worker keeps connections to both stores of a pair open."""
    wanted = 2 * needs.connections + OWN_FILES
    name, why = "open files", f"a worker may need {format_count(wanted)}: connections to two stores, and its own files"
    if facts.open_files is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    soft, hard = facts.open_files
    found = f"{_limit(soft)} of at most {_limit(hard)}"
    if soft >= wanted:
        return Check(name, State.GOOD, found, why)
    if hard >= wanted:
        return Check(name, State.BAD, found, why, "raise it in this shell", f"ulimit -n {wanted}", forbids=True)
    return Check(
        name, State.BAD, found, why, "raise the hard limit, then log in again",
        f'echo "$USER hard nofile {wanted}" | sudo tee /etc/security/limits.d/perfgate-files.conf', forbids=True,
    )  # fmt: skip


def ports(facts: LimitFacts, needs: Needs) -> Check:
    """Each connection to a loopback store takes one."""
    wanted = 2 * needs.connections
    name, why = (
        "ephemeral ports",
        f"a pair's connections take up to {format_count(wanted)}, and closed ones hold theirs 60 s",
    )
    if facts.ports is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    first, last = facts.ports
    have = last - first + 1
    found = f"{first} to {last}: {format_count(have)}"
    if have >= wanted + SPARE_PORTS:
        return Check(name, State.GOOD, found, why)
    forbids = have < wanted
    return Check(
        name, State.BAD if forbids else State.FAIR, found, why, "widen the range",
        'sudo sysctl -w net.ipv4.ip_local_port_range="15000 64999"', forbids=forbids,
    )  # fmt: skip


def backlog(facts: LimitFacts, needs: Needs) -> Check:
    """Connections that are opened faster than a store accepts them wait in its queue, which this bounds."""
    name, why = "listen backlog", "connections beyond it are dropped, and tried again a second later"
    if facts.somaxconn is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    found = f"somaxconn {format_count(facts.somaxconn)}"
    if facts.somaxconn >= needs.connections:
        return Check(name, State.GOOD, found, why)
    wanted = max(4096, needs.connections)
    return Check(name, State.FAIR, found, why, "raise it", f"sudo sysctl -w net.core.somaxconn={wanted}")


def memory(facts: LimitFacts, needs: Needs) -> Check:
    """Two stores hold the data at once, and the generator maps what it sends."""
    name, why = (
        "memory",
        f"two stores and the generator need {format_bytes(needs.memory_bytes)} for vectors, indices apart",
    )
    return _room(
        name, why, facts.memory_available, needs.memory_bytes, "available", "end what needs much, or lower data.num_nodes",
        "ps --sort=-rss -eo rss,pid,comm | head",
    )  # fmt: skip


def swap(facts: LimitFacts) -> Check:
    name, why = "swap", "a page that must be read back from the disk delays one request by milliseconds"
    if facts.swap_used is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    if facts.swap_used == 0:
        return Check(name, State.GOOD, "nothing swapped out", why)
    found = f"{format_bytes(facts.swap_used)} swapped out"
    return Check(name, State.FAIR, found, why, "bring it back into memory", "sudo swapoff -a && sudo swapon -a")


def disk(facts: LimitFacts, needs: Needs) -> Check:
    """Generated data are kept; each process of a store gets a copy of its own."""
    name, why = "disk", f"generated data and the stores' copies need {format_bytes(needs.disk_bytes)}, indices apart"
    return _room(
        name, why, facts.disk_free, needs.disk_bytes, "free", "name a directory with more room in PERFGATE_CACHE",
        f"df -h {facts.disk_directory or '.'}",
    )  # fmt: skip


def _room(name: str, why: str, have: int | None, wanted: int, word: str, remedy: str, command: str) -> Check:
    if have is None:
        return Check(name, State.UNKNOWN, "not told by this kernel", why)
    found = f"{format_bytes(have)} {word}"
    if have >= EASY * wanted:
        return Check(name, State.GOOD, found, why)
    forbids = have < wanted
    return Check(name, State.BAD if forbids else State.FAIR, found, why, remedy, command, forbids=forbids)


def _limit(value: float) -> str:
    return "no limit" if math.isinf(value) else format_count(value)
