"""How one request ended. Only OK has a latency; every other outcome is counted by its kind (docs/outcomes.md)."""

from __future__ import annotations

from enum import IntEnum


class Outcome(IntEnum):
    """The value is the code in arrays and on the wire; only ever append."""

    OK = 0
    TIMEOUT = 1  # no complete reply within the scenario's timeout, counted from the intended time
    REFUSED = 2  # the other side let no connection be opened, a TLS handshake that failed included
    RESET = 3  # the connection was reset, or it was closed before the first byte of the reply
    BAD_STATUS = 4  # a complete reply whose status the target does not count as success
    BAD_REPLY = 5  # bytes that are no reply of the protocol, or more replies than requests
    WRONG_ANSWER = 6  # a well-formed reply that says something else than was asked (deep check)
    ABANDONED = 7  # due, but the load was ended first (saturation, Ctrl-C, a lost store); never sent or never answered
    STALE_CONNECTION = 8  # the store closed a kept-alive connection before this request reached it; sent, never retried
    TRUNCATED = 9  # the connection was closed in the middle of the reply
    REDIRECT = 10  # a complete reply with a status of 300 to 399; not followed
    TOO_LARGE = 11  # a head or a body over its bound, as sent or once decompressed; the connection is dropped
    BAD_ENCODING = 12  # a body in a content encoding that cannot be decoded here, or whose data are broken
    LOCAL_LIMIT = 13  # this machine could not open a connection: out of ports, file descriptors or memory

    @property
    def label(self) -> str:
        """For reports: `bad status`."""
        return self.name.lower().replace("_", " ")


OUTCOMES: tuple[Outcome, ...] = tuple(Outcome)
"""By code. Arrays that an older version wrote are shorter: `by_code` completes them."""


def by_code(counts: tuple[int, ...]) -> tuple[int, ...]:
    """Counts by code as an older version knew them, completed to len(OUTCOMES).

    Raises ValueError where there are more than this version knows: left out, failures would vanish from the totals.
    """
    if len(counts) > len(OUTCOMES):
        raise ValueError(f"{len(counts)} kinds of outcome, where this version knows {len(OUTCOMES)}: upgrade perfgate")
    return counts + (0,) * (len(OUTCOMES) - len(counts))
