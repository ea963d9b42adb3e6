"""What an agent says when it cannot do as asked, as errors and plain words."""

from __future__ import annotations

import time
from dataclasses import dataclass

from perfgate import errors
from perfgate.errors import FleetError, PerfgateError
from perfgate.wire.v1 import wire_pb2 as pb


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has an agent that somebody else wants: what it calls itself and its run, and since when (wall clock)."""

    agent: str
    who: str
    since_wall_ns: int

    def __str__(self) -> str:
        since = time.strftime("%H:%M:%S", time.localtime(self.since_wall_ns / 1e9))
        return f"{self.who} holds it since {since}" if self.who else "nobody says who holds it"


def error_of(agent: str, failure: pb.Failure) -> PerfgateError:
    """The error that the agent raised, by the name of its class; PerfgateError, naming the agent, for a class unknown
    here."""
    kind, text = getattr(errors, failure.kind, None), plain(failure.text)
    if isinstance(kind, type) and issubclass(kind, PerfgateError):
        return kind(text)
    return PerfgateError(f"agent {agent}: {text}")


def plain(text: str) -> str:
    """Without what would move or colour the terminal of whoever reads an agent's words."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def raise_refusal(agent: str, event: pb.Event) -> None:
    """Raises what a `failure` says (`error_of`), and FleetError, with who holds the agent, for `refused`. Returns for
    every other event."""
    name = event.WhichOneof("event")
    if name == "failure":
        raise error_of(agent, event.failure)
    if name == "refused":
        refused = event.refused
        who = f": {Holder(agent, refused.holder, refused.held_since_wall_ns)}" if refused.holder else ""
        raise FleetError(plain(f"{refused.reason}{who}"))
