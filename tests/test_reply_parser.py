"""The reply parsers, fed with anything: the portable one, and the engine's against it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perfgate_agent.engine.library import library, parse_reply
from perfgate_agent.reply import Body
from perfgate_agent.reply_reader import MAX_HEAD, ReplyReader, Step

from perfgate.outcome import Outcome

Result = tuple[int, Body, bool] | Outcome | None

BODIES = st.binary(max_size=60)


def _sized(status: int, body: bytes, close: bool) -> bytes:
    end = b"Connection: close\r\n" if close else b""
    return b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n%b" % (status, end, len(body), body)


def _chunked(status: int, parts: list[bytes]) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
    return b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (status, chunks)


STATUSES = st.sampled_from([200, 201, 302, 404, 500])
REPLIES = st.one_of(
    st.builds(_sized, STATUSES, BODIES, st.booleans()),
    st.builds(_chunked, STATUSES, st.lists(BODIES, max_size=5)),
    st.builds(lambda body: b"HTTP/1.1 100 Continue\r\n\r\n" + _sized(200, body, False), BODIES),
    st.builds(lambda body: b"HTTP/1.0 200 OK\r\n\r\n" + body, BODIES),
    st.just(b"HTTP/1.1 204 None\r\n\r\n"),
)


@st.composite
def pieces(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """The same bytes, cut anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    edges = [0, *cuts, len(whole)]
    return [part for a, b in itertools.pairwise(edges) if (part := whole[a:b])]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid reply with some bytes changed, left out, doubled or put in."""
    data = bytearray(draw(REPLIES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del data[at : at + draw(st.integers(1, 9))]
            case 2:
                data[at:at] = data[at : at + 9]
            case _:
                data[at:at] = draw(st.binary(max_size=9))
    return bytes(data)


def read(parts: Sequence[bytes], closed: bool) -> Result:
    """What the portable parser makes of them: a reply, a failure, or None when more must come."""
    reader = ReplyReader()
    step = Step.MORE
    for part in parts:
        step = reader.feed(part)
        if step is Step.BROKEN:
            return reader.outcome
    if step is Step.MORE and closed:
        step = reader.end()
    if step is Step.DONE:
        return reader.status, reader.take(), reader.keep
    return reader.outcome if step is Step.BROKEN else None


@given(st.data(), REPLIES)
def test_a_reply_in_pieces_is_the_same_as_in_one(data: st.DataObject, reply: bytes) -> None:
    whole = read([reply], closed=True)
    assert isinstance(whole, tuple)
    assert read(data.draw(pieces(reply)), closed=True) == whole


@given(st.data(), REPLIES)
def test_a_reply_cut_short_is_never_taken_for_a_whole_one(data: st.DataObject, reply: bytes) -> None:
    if reply.startswith(b"HTTP/1.0"):
        return  # lasts until the connection's end, wherever that is
    cut = reply[: data.draw(st.integers(1, len(reply) - 1))]
    assert read([cut], closed=True) is Outcome.TRUNCATED


@given(st.data(), st.one_of(mutated(), st.binary(max_size=200)))
def test_whatever_comes_the_end_of_the_connection_ends_the_exchange(data: st.DataObject, noise: bytes) -> None:
    """No crash, no hang, and nothing left open once some byte has come."""
    result = read(data.draw(pieces(noise)), closed=True)
    assert result is not None or not noise


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_head_without_an_end_is_given_up_within_its_bound(start: bytes) -> None:
    reader, fed = ReplyReader(), 0
    reader.feed(start)
    filler = b"\r\n" * 500 if not start else b"X: y\r\n" * 200 if start.endswith(b"\n") else b"x" * 1000
    while reader.feed(filler) is Step.MORE:
        fed += len(filler)
        assert fed <= MAX_HEAD
    assert reader.outcome is Outcome.TOO_LARGE


needs_engine = pytest.mark.skipif(library() is None, reason="the engine is not compiled")


@needs_engine
@given(st.data(), REPLIES)
def test_the_engine_reads_what_the_portable_parser_reads(data: st.DataObject, reply: bytes) -> None:
    assert parse_reply(data.draw(pieces(reply)), closed=True) == read([reply], closed=True)


@needs_engine
@given(st.data(), mutated())
def test_the_engine_never_takes_for_a_reply_what_the_portable_parser_reads_otherwise(
    data: st.DataObject, noise: bytes
) -> None:
    """One may be stricter than the other; where both see a reply, it is the same one."""
    ours, theirs = read([noise], closed=True), parse_reply(data.draw(pieces(noise)), closed=True)
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        body = ours[1] if isinstance(ours[1], bytes) else ours[1].body
        assert theirs[:2] == (ours[0], body)
