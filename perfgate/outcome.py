"""How one request ended. Only OK has a latency; every other outcome is counted by its kind."""

from __future__ import annotations

from enum import IntEnum


class Outcome(IntEnum):
    """The value is the code in arrays and on the wire; only ever append."""

    OK = 0
    TIMEOUT = 1  # no complete reply within the scenario's timeout, counted from the intended time
    REFUSED = 2  # no connection could be opened
    RESET = 3  # the connection ended before the reply was complete
    BAD_STATUS = 4  # a complete reply whose status the target does not count as success
    BAD_REPLY = 5  # bytes that are no reply of the protocol, or a body larger than the bound
    WRONG_ANSWER = 6  # a well-formed reply that says something else than was asked (deep check)
    ABANDONED = 7  # due, but the load was ended first (saturation, Ctrl-C, a lost store); never sent or never answered

    @property
    def label(self) -> str:
        """For reports: `bad status`."""
        return self.name.lower().replace("_", " ")


OUTCOMES: tuple[Outcome, ...] = tuple(Outcome)
