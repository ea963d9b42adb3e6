"""One exchange with a store outside the hot path."""

from __future__ import annotations

import pytest
from fault_server import OK, Answer, FaultServer, always, silent
from faults import GZIPPED, coded
from perfgate_agent import reply_reader
from perfgate_agent.ports import free_ports
from perfgate_agent.probe import exchange

from perfgate.address import Address

REQUEST = b"GET / HTTP/1.1\r\n\r\n"


async def ask(answer: Answer) -> tuple[int, bytes]:
    async with FaultServer(answer) as server:
        return await exchange(Address("127.0.0.1", server.port), REQUEST, 5.0)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (always(OK), (200, b"{}")),
        (always(b"HTTP/1.1 100 Continue\r\n\r\n" + OK), (200, b"{}")),
        (always(b"HTTP/1.1 404 No\r\ncontent-length:1\r\n\r\nx"), (404, b"x")),
        (always(b"HTTP/1.1 204 None\r\n\r\n"), (204, b"")),
        (always(b"HTTP/1.0 200 OK\r\n\r\n", b"until the end", close=True), (200, b"until the end")),
        (
            always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
            (200, b"abc"),
        ),
        (coded(GZIPPED, b"gzip"), (200, b"{}")),
    ],
)
async def test_a_reply_is_read_whole(answer: Answer, reply: tuple[int, bytes]) -> None:
    assert await ask(answer) == reply


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (always(b"SSH-2.0-x\r\n\r\n"), ValueError, "no reply of the protocol"),
        (always(b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000), ValueError, "a head or trailers of more than 65536 bytes"),
        (always(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), ValueError, "no reply of the protocol"),
        (
            always(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx", close=True),
            ConnectionError,
            "truncated: closed after",
        ),
        (
            always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx", close=True),
            ConnectionError,
            "truncated",
        ),
        (always(close=True), ConnectionError, "before the first byte"),
        (coded(b"x", b"br"), ValueError, "'br' was not asked for"),
    ],
)
async def test_anything_else_is_an_error_that_says_so(answer: Answer, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        await ask(answer)


async def test_bodies_over_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_reader, "MAX_BODY", 10)
    for answer in (
        always(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b"x" * 11),
        always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nxxxxxx\r\n6\r\nxxxxxx\r\n0\r\n\r\n"),
        always(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 11, close=True),
    ):
        with pytest.raises(ValueError, match="too large: a body of more than 10 bytes"):
            await ask(answer)


async def test_silence_is_a_timeout_and_nobody_there_an_oserror() -> None:
    async with FaultServer(silent) as server:
        with pytest.raises(TimeoutError):
            await exchange(Address("127.0.0.1", server.port), REQUEST, 0.1)
    with pytest.raises(OSError, match=r"refused|Connect"):
        await exchange(Address("127.0.0.1", free_ports(1)[0]), REQUEST, 5.0)
