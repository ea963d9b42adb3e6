"""Connections that the generator's own machine could not open: what it ran out of, and what helps."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from perfgate.gate.verdict import Reason
from perfgate.interval import Interval
from perfgate.outcome import Outcome

FILES = (
    "file descriptors",
    "raise `ulimit -n` where perfgate or its agent is started, or lower [connection] connections",
)
PORTS = (
    "local ports",
    "widen net.ipv4.ip_local_port_range, lower [connection] connections, or see why the store closes connections",
)
MEMORY = ("memory for connections", "give it more memory, or lower [connection] connections")
UNKNOWN = ("file descriptors, ports or memory", "look at `ulimit -n` and net.ipv4.ip_local_port_range")
RESOURCES = {
    errno.EMFILE: FILES,
    errno.ENFILE: FILES,
    errno.EADDRNOTAVAIL: PORTS,
    errno.ENOBUFS: MEMORY,
    errno.ENOMEM: MEMORY,
}
"""(what it is, what helps) by the error that connect(2) or socket(2) gave; examples quote it in the system's words."""


def local_limit_reason(intervals: Iterable[Interval]) -> Reason | None:
    """One such request is enough: how many others waited for want of that connection is not known."""
    intervals = list(intervals)
    count = sum(part.outcomes[Outcome.LOCAL_LIMIT] for one in intervals for part in one.operations.values())
    if not count:
        return None
    due = sum(one.due for one in intervals)
    what, remedy = _resource(example for one in intervals for example in one.examples)
    text = (
        f"the load generator's machine ran out of {what}: {count:,} of {due:,} requests found no connection, which is no "
        "fault of the store's"
    )
    return Reason("local_limit", text, remedy)


def _resource(examples: Iterable[str]) -> tuple[str, str]:
    for example in examples:
        for code, resource in RESOURCES.items():
            if os.strerror(code) in example:
                return resource
    return UNKNOWN
