"""What a hard server can do to a request, by the path that provokes it, and what each must come to."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from fault_server import OK, Answer, FaultServer, always, endless, reset, silent

from perfgate.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Fault:
    """words: in the example that is kept. patient: takes as long as the timeout."""

    answer: Answer
    outcome: Outcome
    words: str = ""
    patient: bool = False


def sized(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, lines, len(body), body)


def coded(body: bytes, coding: bytes) -> Answer:
    return always(sized(body, b"Content-Encoding: " + coding))


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIPPED = gzip.compress(b"{}")
BOMB = gzip.compress(bytes(9 * 1024 * 1024))
UNLIMITED = b"HTTP/1.1 200 OK\r\n\r\n"

GOOD: Mapping[str, Answer] = {
    "as-asked": always(OK),
    "byte-by-byte": always(*(OK[i : i + 1] for i in range(len(OK)))),
    "chunked": always(CHUNKED + b"1\r\n{\r\n", b"1;a=b\r\n}\r\n0\r\n\r\n"),
    "chunked-with-trailer": always(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-Checksum: 1\r\n\r\n"),
    "interim-reply": always(b"HTTP/1.1 100 Continue\r\n\r\n", OK),
    "interim-replies-in-the-same-bytes": always(
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK
    ),
    "connection-close": always(sized(b"{}", b"Connection: close"), close=True),
    "until-the-end": always(UNLIMITED, b"{", b"}", close=True),
    "until-the-end-after-an-interim-reply": always(b"HTTP/1.1 100 Continue\r\n\r\n", UNLIMITED + b"{}", close=True),
    "http-1.0": always(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", close=True),
    "http-1.0-until-the-end": always(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n{}", close=True),
    "http-1.0-keep-alive": always(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}"),
    "gzip": coded(GZIPPED, b"gzip"),
    "gzip-in-chunks": always(
        CHUNKED[:-2] + b"Content-Encoding: GZIP\r\n\r\n%x\r\n%b\r\n" % (len(GZIPPED), GZIPPED), b"0\r\n\r\n"
    ),
    "deflate": coded(zlib.compress(b"{}"), b"deflate"),
    "deflate-without-its-wrapper": coded(raw_deflate(b"{}"), b"deflate"),
    "identity": coded(b"{}", b"identity"),
}
"""Unusual, and right all the same: each is one complete reply whose content is `{}`."""

FAULTS: Mapping[str, Fault] = {
    "silent": Fault(silent, Outcome.TIMEOUT, "no complete reply within", patient=True),
    "slow-drip": Fault(
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x", 0.01),
        Outcome.TIMEOUT,
        "no complete",
        patient=True,
    ),
    "slow-drip-of-the-head": Fault(endless(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.01), Outcome.TIMEOUT, "no", patient=True),
    "endless-interim-replies": Fault(
        endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n", 0.01), Outcome.TIMEOUT, "no complete", patient=True
    ),
    "reset": Fault(reset(), Outcome.RESET, "reset"),
    "reset-in-the-middle": Fault(reset(OK[:-1]), Outcome.RESET, "reset"),
    "closed-without-a-reply": Fault(always(close=True), Outcome.RESET, "closed before"),
    "cut-short": Fault(always(sized(b"{}  ")[:-2], close=True), Outcome.TRUNCATED, "closed"),
    "cut-short-in-the-head": Fault(always(b"HTTP/1.1 200 OK\r\nContent-Le", close=True), Outcome.TRUNCATED, "closed"),
    "cut-short-in-a-chunk": Fault(always(CHUNKED + b"5\r\n{}", close=True), Outcome.TRUNCATED, "closed"),
    "cut-short-before-the-last-chunk": Fault(always(CHUNKED + b"2\r\n{}\r\n", close=True), Outcome.TRUNCATED, "closed"),
    "only-an-interim-reply": Fault(always(b"HTTP/1.1 100 Continue\r\n\r\n", close=True), Outcome.TRUNCATED, "closed"),
    "bad-status": Fault(always(sized(b"no", status=b"503 Busy")), Outcome.BAD_STATUS, "503"),
    "not-modified": Fault(always(b"HTTP/1.1 304 No\r\nContent-Length: 99999999\r\n\r\n"), Outcome.BAD_STATUS, "304"),
    "wrong-answer": Fault(always(sized(b"wrong")), Outcome.WRONG_ANSWER, "wrong"),
    "redirect": Fault(
        always(sized(b"", b"Location: https://elsewhere/", status=b"302 Found")), Outcome.REDIRECT, "status 302"
    ),
    "huge-by-its-length": Fault(
        always(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}"), Outcome.TOO_LARGE, "8"
    ),
    "endless-body": Fault(endless(UNLIMITED, bytes(256 * 1024)), Outcome.TOO_LARGE, "body of more than 8"),
    "endless-chunks": Fault(
        endless(CHUNKED, b"40000\r\n" + bytes(256 * 1024) + b"\r\n"), Outcome.TOO_LARGE, "body of more than 8"
    ),
    "flood-of-headers": Fault(endless(b"HTTP/1.1 200 OK\r\n", b"X-Y: zzzzzzzz\r\n" * 999), Outcome.TOO_LARGE, "head"),
    "endless-header": Fault(endless(b"HTTP/1.1 200 OK\r\nX: ", bytes(b"x" * 9999)), Outcome.TOO_LARGE, "head"),
    "endless-empty-lines": Fault(endless(b"", b"\r\n" * 9999), Outcome.TOO_LARGE, "head"),
    "flood-of-trailers": Fault(
        endless(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-Y: zzzzzzzz\r\n" * 999), Outcome.TOO_LARGE, "head"
    ),
    "compression-bomb": Fault(coded(BOMB, b"gzip"), Outcome.TOO_LARGE, "once decompressed"),
    "brotli": Fault(coded(b"\x0b\x02\x80{}\x03", b"br"), Outcome.BAD_ENCODING, "content encoding"),
    "zstd": Fault(coded(b"\x28\xb5\x2f\xfd", b"zstd"), Outcome.BAD_ENCODING, "content encoding"),
    "gzip-upon-deflate": Fault(coded(GZIPPED, b"deflate, gzip"), Outcome.BAD_ENCODING, "content encoding"),
    "broken-gzip": Fault(coded(b"{}", b"gzip"), Outcome.BAD_ENCODING, "broken"),
    "gzip-cut-short": Fault(coded(GZIPPED[:-1], b"gzip"), Outcome.BAD_ENCODING, "too early"),
    "garbage": Fault(
        always(b"\x16\x03\x01 what is this?" + b"?" * 9999 + b"\r\n\r\n"), Outcome.BAD_REPLY, "what is this"
    ),
    "upgrade": Fault(
        always(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), Outcome.BAD_REPLY
    ),
    "length-and-chunks": Fault(
        always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        Outcome.BAD_REPLY,
    ),
    "two-lengths": Fault(
        always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), Outcome.BAD_REPLY
    ),
    "bad-chunk-size": Fault(always(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"), Outcome.BAD_REPLY),
    "two-replies-at-once": Fault(always(OK + OK), Outcome.BAD_REPLY, "more replies"),
    "a-reply-and-a-half": Fault(always(OK + OK[:-1]), Outcome.BAD_REPLY, "more replies"),
}
"""Each is no good reply."""


async def by_path(server: FaultServer, request: bytes, writer: asyncio.StreamWriter) -> None:
    """`GET /NAME/…` provokes the fault or the unusual reply of that name; any other path is answered as asked."""
    name = request.split(b" ", 2)[1].split(b"/")[1].decode()
    fault = FAULTS.get(name)
    await (fault.answer if fault else GOOD.get(name, GOOD["as-asked"]))(server, request, writer)
