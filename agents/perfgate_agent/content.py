"""The content of a reply's body: decoded where it is compressed, bounded, and outside anything that is timed."""

from __future__ import annotations

import zlib

from perfgate.outcome import Outcome

MAX_DECODED = 8 * 1024 * 1024
"""Bytes of a body once it is decompressed."""
EXAMPLE_BYTES = 100
GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
"""Window sizes that tell zlib which wrapper to expect."""


class BadContent(ValueError):
    """A body that cannot be read; `outcome` is the kind it counts as."""

    def __init__(self, outcome: Outcome, text: str) -> None:
        super().__init__(text)
        self.outcome = outcome


def decode(body: bytes, coding: str) -> bytes:
    """coding: the Content-Encoding in lower case, empty for none; an empty body is one in any.

    Raises BadContent for a coding that is not known here, for broken data, and for content larger than MAX_DECODED.
    """
    codings = [name for part in coding.split(",") if (name := part.strip()) not in ("", "identity")]
    if not codings or not body:
        return body
    match codings:
        case ["gzip" | "x-gzip"]:
            return _inflate(body, GZIP)
        case ["deflate"]:  # in zlib's wrapper by the standard, in none by many servers' understanding
            return _inflate(body, ZLIB if _has_zlib_head(body) else RAW)
    name = ", ".join(codings)[:EXAMPLE_BYTES]
    raise BadContent(Outcome.BAD_ENCODING, f"content encoding {name!r} was not asked for and is not known here")


def _has_zlib_head(data: bytes) -> bool:
    """RFC 1950: method 8, and a check that makes the first two bytes a multiple of 31."""
    return len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def _inflate(data: bytes, window: int) -> bytes:
    content = b""
    while True:
        stream = zlib.decompressobj(window)
        try:
            content += stream.decompress(data, MAX_DECODED + 1 - len(content))
        except zlib.error as error:
            raise BadContent(Outcome.BAD_ENCODING, f"the compressed body is broken: {error}") from error
        if len(content) > MAX_DECODED:
            raise BadContent(Outcome.TOO_LARGE, f"a body of more than {MAX_DECODED} bytes once decompressed")
        if not stream.eof:
            raise BadContent(Outcome.BAD_ENCODING, "the compressed body ends too early")
        data = stream.unused_data
        if not data or window != GZIP:  # a gzip body may have several members (RFC 1952, 2.2)
            return content
