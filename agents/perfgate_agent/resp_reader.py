"""Tells one reply of the Redis protocol after the other apart in bytes as they come, RESP2 and RESP3, within bounds.

The protocol's specification: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from perfgate.outcome import Outcome
from perfgate.targets.protocol import ERROR, UNREADY, VALUE
from perfgate_agent.reply import Body
from perfgate_agent.reply_reader import EXAMPLE_BYTES, MAX_BODY, SURPLUS, Step

MAX_LINE = 64 * 1024
"""Bytes of a simple string, an error or a number."""
LEAST_ELEMENT = 3
"""Bytes of the shortest element, `_` CR LF."""
LINES = frozenset(b"+-:_#,(")  # the whole element is its first line
STRINGS = frozenset(b"$!=")  # whose line says how many bytes follow
LISTS = frozenset(b"*~>%|")  # whose line says how many elements follow, or pairs of them
PAIRS = frozenset(b"%|")
PUSH = ord(">")
AROUND = frozenset(b">|")  # stand before a reply or an element, and are none
ERRORS = (ord("-"), ord("!"))


class RespReader:
    """The body of a reply is its bytes, from its first type byte to its last line end; its status VALUE, ERROR or, while
    the store loads its data, UNREADY. Out-of-band pushes before a reply are passed over. What follows a complete reply
    unasked breaks it: it would be taken for the answer to the next command.

    Nesting needs no stack: an element takes one off what is still to come, a list adds its length. Attributes belong to the
    element that follows, and take nothing off.
    """

    __slots__ = (
        "_at", "_broken", "_data", "_elements", "_head", "_pushed", "example", "keep", "outcome", "received", "status",
    )  # fmt: skip

    def __init__(self) -> None:
        self.status = 0
        self.keep = True
        self.outcome = Outcome.OK
        self.example = ""
        self._broken = False
        self._forget(b"")

    def _forget(self, rest: bytes | bytearray) -> None:
        self._data = rest
        self._at = 0  # of the first element that is not complete
        self._head = -1  # of the reply's outermost element, behind its attributes
        self._elements = 1  # still to come
        self._pushed = False
        self.received = len(rest)
        """Bytes of the reply so far."""

    def feed(self, data: bytes) -> Step:
        """Take the next bytes. After DONE comes `take`, after BROKEN nothing."""
        if self._broken:
            return Step.BROKEN
        self.received += len(data)
        if not self._data:
            self._data = data  # of most replies the only piece
        else:
            if isinstance(self._data, bytes):
                self._data = bytearray(self._data)
            self._data += data
        return self._scan()

    def end(self, orderly: bool = True) -> Step:
        """The connection has ended. BROKEN for a reply that is cut short, MORE where none had begun."""
        if not self.received or self._broken:
            return Step.MORE
        how = "" if orderly else ", without the TLS close_notify"
        return self.give_up(Outcome.TRUNCATED, f"closed after {self.received} bytes of the reply{how}")

    def take(self) -> Body:
        """The reply that is complete, as it came, and be ready for the next one."""
        body = bytes(self._data)  # the same object where it is bytes already
        self._forget(b"")
        return body

    def give_up(self, outcome: Outcome, example: str) -> Step:
        """Nothing that still comes can be understood."""
        self.outcome, self.example = outcome, example
        self.close()
        return Step.BROKEN

    def close(self) -> None:
        """Let go of what has come."""
        self._broken = True
        self._data = b""

    def _scan(self) -> Step:
        """From the first element that is not complete on."""
        while self._elements:
            data, at = self._data, self._at
            end = data.find(b"\r\n", at)
            if end < 0 or end - at > MAX_LINE:
                return self._more(line=(len(data) if end < 0 else end + 1) - at)
            kind, digits, after = data[at], data[at + 1 : end], end + 2
            if self._elements == 1 and self._head < 0 and kind not in AROUND:
                self._head = at
            if kind in STRINGS:
                if (length := _length(digits)) is None:
                    return self._garbage()
                if length >= 0:
                    after += length + 2
                    if length <= MAX_BODY and not b"\r\n".startswith(data[after - 2 : after]):
                        return self._garbage()
                    if length > MAX_BODY or after > len(data):
                        return self._more(string=length)
                self._elements -= 1
            elif kind in LINES:
                self._elements -= 1
            elif kind not in LISTS or (count := _length(digits)) is None or not self._open(kind, count):
                return self._garbage()
            elif self._elements * LEAST_ELEMENT > MAX_BODY:
                return self._too_large()
            self._at = after
            if self._pushed and self._elements == 1:
                self._forget(data[after:])
        return self._done()

    def _open(self, kind: int, count: int) -> bool:
        """A list begins; False where it must not. A push stands between replies, never in one."""
        if kind == PUSH:
            if self._at or self._pushed:
                return False
            self._pushed = True
        self._elements += max(count, 0) * (2 if kind in PAIRS else 1) - (kind not in AROUND)
        return True

    def _done(self) -> Step:
        data, head = self._data, self._head
        if self._at < len(data):
            return self.give_up(Outcome.BAD_REPLY, SURPLUS)
        self.status = VALUE
        if data[head] in ERRORS:
            self.status = UNREADY if data[head + 1 : head + 9] == b"LOADING " else ERROR
        return Step.DONE

    def _more(self, line: int = 0, string: int = 0) -> Step:
        if line > MAX_LINE + 1 or string > MAX_BODY or len(self._data) > MAX_BODY:
            return self._too_large()
        return Step.MORE

    def _too_large(self) -> Step:
        return self.give_up(
            Outcome.TOO_LARGE, f"a reply of more than {MAX_BODY} bytes, or a line of more than {MAX_LINE}"
        )

    def _garbage(self) -> Step:
        return self.give_up(Outcome.BAD_REPLY, f"no RESP: {bytes(self._data[self._at : self._at + EXAMPLE_BYTES])!r}")


def _length(digits: bytes | bytearray) -> int | None:
    """-1 is RESP2's null. None: it is no length."""
    if digits == b"-1":
        return -1
    return int(digits) if digits.isdigit() and len(digits) < 16 else None
