"""Reads one HTTP/1.1 reply after the other from bytes as they come, over httptools (llhttp), within bounds."""

from __future__ import annotations

from enum import IntEnum

import httptools

from perfgate.outcome import Outcome
from perfgate_agent.reply import Body, MarkedBody

MAX_HEAD = 64 * 1024
"""Bytes of a reply's head, interim replies and trailers included."""
MAX_BODY = 8 * 1024 * 1024
CHUNK_FRAMING = 8
"""Bytes of framing that a byte of a body may cost: `1 CRLF x CRLF` takes five."""
EXAMPLE_BYTES = 120
SURPLUS = "more replies than requests"


class Step(IntEnum):
    """Where the reply stands after some bytes."""

    MORE = 0
    DONE = 1
    BROKEN = 2  # `outcome` and `example` say why; the connection cannot be used any more


class ReplyReader:
    """Interim replies (1xx) are passed over. A reply without a length lasts until the connection's end (RFC 9112, 6.3).
    What follows a complete reply unasked breaks it: it would be taken for the answer to the next request."""

    __slots__ = (
        "_begun", "_body", "_complete", "_encoding", "_framed", "_head_complete", "_length", "_location", "_parser",
        "_size", "example", "keep", "outcome", "received", "status",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._begun = 0  # replies, interim ones included, that began and did not end
        self._complete = 0
        self.status = 0
        self.keep = False
        self.outcome = Outcome.OK
        self.example = ""
        self._reset()

    def _reset(self) -> None:
        self._body: bytes | bytearray = b""
        self._size = 0
        self._forget_head()
        self.received = 0
        """Bytes of the reply so far."""

    def _forget_head(self) -> None:
        self._encoding = self._location = b""
        self._framed = self._head_complete = False
        self._length = 0

    def feed(self, data: bytes) -> Step:
        """Take the next bytes. After DONE comes `take`, after BROKEN nothing."""
        parser = self._parser
        if parser is None:
            return Step.BROKEN
        self.received += len(data)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            return self.give_up(Outcome.BAD_REPLY, f"{type(error).__name__}: {data[:EXAMPLE_BYTES]!r}")
        if self._begun + self._complete > 1:
            return self.give_up(Outcome.BAD_REPLY, SURPLUS)
        if self._size > MAX_BODY or (self._length > MAX_BODY and not self._complete):
            return self.give_up(Outcome.TOO_LARGE, f"a body of more than {MAX_BODY} bytes")
        if self._complete:
            return Step.DONE
        if self.received - self._size > MAX_HEAD + CHUNK_FRAMING * self._size:
            return self.give_up(Outcome.TOO_LARGE, f"a head or trailers of more than {MAX_HEAD} bytes")
        return Step.MORE

    def end(self, orderly: bool = True) -> Step:
        """The connection has ended, `orderly` unless TLS was cut off. DONE for a reply that lasts until then, BROKEN for
        one that is cut short, MORE where none had begun."""
        if not self.received or self._parser is None:
            return Step.MORE
        if orderly and self._head_complete and not self._framed:
            self.status, self.keep = self._parser.get_status_code(), False
            self._complete, self._begun = 1, 0
            self._parser = None
            return Step.DONE
        how = "" if orderly else ", without the TLS close_notify"
        return self.give_up(Outcome.TRUNCATED, f"closed after {self.received} bytes of the reply{how}")

    def take(self) -> Body:
        """The body of the reply that is complete, and be ready for the next one."""
        body = bytes(self._body)  # the same object where it is bytes already
        marked = (
            MarkedBody(body, _text(self._encoding).lower(), _text(self._location))
            if self._encoding or self._location
            else body
        )
        self._complete = 0
        self._reset()
        return marked

    def give_up(self, outcome: Outcome, example: str) -> Step:
        """Nothing that still comes can be understood."""
        self.outcome, self.example = outcome, example
        self.close()
        return Step.BROKEN

    def close(self) -> None:
        """The parser holds this object: without it there is no cycle, which nothing would collect during a run."""
        self._parser = None
        self._body = b""

    # --- called by the parser. What it raises would pass for one of the parser's errors. -----------------------------

    def on_message_begin(self) -> None:
        self._begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_complete:  # a trailer
            return
        size = len(name)  # which tells most other names apart
        if size == 14:
            if name.lower() == b"content-length" and value.isdigit():
                self._framed, self._length = True, int(value)
        elif size == 16:
            if name.lower() == b"content-encoding":
                self._encoding = self._encoding + b"," + value if self._encoding else value
        elif size == 17:
            if name.lower() == b"transfer-encoding" and value.lower().endswith(b"chunked"):
                self._framed = True
        elif size == 8 and name.lower() == b"location":
            self._location = value

    def on_headers_complete(self) -> None:
        self._head_complete = True

    def on_body(self, chunk: bytes) -> None:
        size, self._size = self._size, self._size + len(chunk)
        if not size:
            self._body = chunk  # of most replies the only one
        elif self._size <= MAX_BODY:
            if type(self._body) is bytes:
                self._body = bytearray(self._body)
            self._body += chunk

    def on_message_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        self._begun -= 1
        status = parser.get_status_code()
        if status < 200:  # an interim reply; the real one follows
            self._forget_head()
            return
        self._complete += 1
        if self._complete == 1:
            self.status = status
            self.keep = parser.should_keep_alive()  # the parser forgets it afterwards


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()
