"""What one step of a check came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from perfgate.targets.protocol import Call, Payload
from perfgate.targets.resp import decode

SHOWN_BYTES = 240


class State(StrEnum):
    """FAILED: the target file or the store is wrong. WARNING: it works, but a gate may be led astray."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """name: what is proved. text: what was found, and the remedy. sent, received: of the exchange that shows it."""

    name: str
    state: State
    text: str
    sent: str = ""
    received: str = ""


class Broken(Exception):
    """A step that failed so that none of the following can be tried."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.text)
        self.step = step


def shown_request(request: Payload) -> str:
    """The first line of a request and its body, shortened; of another protocol, its beginning."""
    if isinstance(request, Call):
        return str(request)
    if request[:1] == b"*":
        return " ".join(_shown_part(part) for part in decode(request))
    head, _, body = request.partition(b"\r\n\r\n")
    return _short(head.partition(b"\r\n")[0]) + (f"  {_short(body)}" if body else "")


def _shown_part(part: bytes) -> str:
    """One word of a command."""
    return _short(part) if part.isascii() and part.decode("ascii").isprintable() else f"({len(part):,} bytes)"


def shown_reply(status: int, body: bytes) -> str:
    return f"{status} {_short(body)}".rstrip()


def _short(data: bytes) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in data[:SHOWN_BYTES].decode(errors="replace"))
    return text + (f"… ({len(data):,} bytes)" if len(data) > SHOWN_BYTES else "")
