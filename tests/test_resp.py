"""The Redis protocol: replies are told apart wherever their bytes are cut, within bounds, and read as what they say."""

from __future__ import annotations

import contextlib
import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perfgate_agent.engine.library import library, parse_reply
from perfgate_agent.engine.records import REASONS, RESP
from perfgate_agent.reply_reader import MAX_BODY, SURPLUS, Step
from perfgate_agent.resp_reader import MAX_LINE, RespReader

from perfgate.outcome import Outcome
from perfgate.targets.protocol import ERROR, UNREADY, VALUE
from perfgate.targets.resp import MAX_DEPTH, RespError, command, decode

REPLY_BODY_TOO_LARGE = 10
"""Of `reply_error`."""
Reply = tuple[bytes, Any]
"""Bytes on the wire and what they say."""


def _listed(kind: bytes, items: list[Reply]) -> Reply:
    return b"%b%d\r\n" % (kind, len(items)) + b"".join(item[0] for item in items), [item[1] for item in items]


def _mapped(pairs: dict[bytes, Reply]) -> Reply:
    wire = b"".join(b"$%d\r\n%b\r\n%b" % (len(key), key, value[0]) for key, value in pairs.items())
    return b"%%%d\r\n" % len(pairs) + wire, {key: value[1] for key, value in pairs.items()}


LINES = st.binary(max_size=20).filter(lambda line: b"\r" not in line and b"\n" not in line)
LEAVES: st.SearchStrategy[Reply] = st.one_of(
    st.builds(lambda text: (b"+%b\r\n" % text, text), LINES),
    st.builds(lambda number: (b":%d\r\n" % number, number), st.integers(-(1 << 63), (1 << 63) - 1)),
    st.builds(lambda text: (b"$%d\r\n%b\r\n" % (len(text), text), text), st.binary(max_size=40)),
    st.builds(lambda text: (b"=%d\r\ntxt:%b\r\n" % (len(text) + 4, text), text), st.binary(max_size=20)),
    st.builds(lambda number: (b"(%d\r\n" % number, number), st.integers()),
    st.builds(lambda number: (b",%b\r\n" % repr(number).encode(), number), st.floats(allow_nan=False)),
    st.sampled_from([(b"$-1\r\n", None), (b"*-1\r\n", None), (b"_\r\n", None), (b"#t\r\n", True), (b"#f\r\n", False)]),
)
VALUES: st.SearchStrategy[Reply] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(_listed, st.sampled_from([b"*", b"~"]), st.lists(inner, max_size=4)),
        st.builds(_mapped, st.dictionaries(LINES, inner, max_size=3)),
        st.builds(lambda value: (b"|1\r\n+ttl\r\n:3\r\n" + value[0], value[1]), inner),
    ),
    max_leaves=12,
)


@st.composite
def pieces(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """The same bytes, cut anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    edges = [0, *cuts, len(whole)]
    return [part for a, b in itertools.pairwise(edges) if (part := whole[a:b])]


def fed(parts: list[bytes]) -> tuple[list[bytes], Outcome | None]:
    """The replies that a reader makes of the bytes, each given as soon as it is complete; and why it broke."""
    reader, replies = RespReader(), list[bytes]()
    for part in parts:
        step = reader.feed(part)
        if step is Step.BROKEN:
            return replies, reader.outcome
        if step is Step.DONE:
            body = reader.take()
            assert isinstance(body, bytes)
            replies.append(body)
    return replies, None


@given(st.data(), VALUES)
def test_a_reply_is_the_same_wherever_it_is_cut(data: st.DataObject, value: Reply) -> None:
    assert fed(data.draw(pieces(value[0]))) == ([value[0]], None)


@given(VALUES)
def test_a_reply_says_what_was_put_into_it(value: Reply) -> None:
    assert decode(value[0]) == value[1]


@settings(max_examples=40)
@given(st.data(), st.lists(VALUES, min_size=1, max_size=4))
def test_replies_that_follow_each_other_are_told_apart(data: st.DataObject, values: list[Reply]) -> None:
    parts = [part for wire, _ in values for part in data.draw(pieces(wire))]
    assert fed(parts) == ([wire for wire, _ in values], None)


@settings(max_examples=40)
@given(VALUES)
def test_half_a_reply_is_none_and_is_cut_short_when_the_connection_ends(value: Reply) -> None:
    wire = value[0]
    for size in range(1, len(wire)):
        reader = RespReader()
        assert reader.feed(wire[:size]) is Step.MORE
        assert reader.end() is Step.BROKEN
        assert reader.outcome is Outcome.TRUNCATED
        with pytest.raises(ValueError):
            decode(wire[:size])


def engine_says(parts: list[bytes]) -> tuple[int, bytes, bool] | Outcome | None:
    """Of one reply; None: more must come."""
    said = parse_reply(parts, protocol=RESP)
    if not isinstance(said, str):
        return said
    return Outcome.TOO_LARGE if said == REASONS[REPLY_BODY_TOO_LARGE] else Outcome.BAD_REPLY


def reader_says(parts: list[bytes]) -> tuple[int, bytes, bool] | Outcome | None:
    reader, done = RespReader(), False
    for part in parts:
        if done:
            return Outcome.BAD_REPLY  # more replies than requests
        step = reader.feed(part)
        if step is Step.BROKEN:
            return reader.outcome
        done = step is Step.DONE
    body = reader.take() if done else b""
    assert isinstance(body, bytes)
    return (reader.status, body, True) if done else None


@pytest.mark.skipif(library() is None, reason="the engine is not compiled")
@given(st.data(), VALUES, st.lists(VALUES, max_size=2))
def test_the_engine_makes_the_same_of_a_reply(data: st.DataObject, value: Reply, news: list[Reply]) -> None:
    wire = (_listed(b">", news)[0] if news else b"") + value[0]
    parts = data.draw(pieces(wire))
    assert engine_says(parts) == reader_says(parts) == (VALUE, value[0], True)


@pytest.mark.skipif(library() is None, reason="the engine is not compiled")
@given(st.data(), VALUES, st.binary(max_size=3))
def test_the_engine_makes_the_same_of_a_reply_with_a_fault(data: st.DataObject, value: Reply, fault: bytes) -> None:
    at = data.draw(st.integers(0, len(value[0])))
    wire = value[0][:at] + fault + value[0][at + data.draw(st.integers(0, 3)) :]
    parts = data.draw(pieces(wire))
    assert engine_says(parts) == reader_says(parts)


@given(VALUES, st.binary(min_size=1, max_size=9))
def test_what_follows_a_reply_unasked_breaks_it(value: Reply, rest: bytes) -> None:
    reader = RespReader()
    assert reader.feed(value[0] + rest) is Step.BROKEN
    assert (reader.outcome, reader.example) == (Outcome.BAD_REPLY, SURPLUS)


@given(st.data(), st.binary(max_size=80).map(lambda tail: b"*2\r\n" + tail) | st.binary(max_size=80))
def test_garbage_comes_to_the_same_wherever_it_is_cut(data: st.DataObject, garbage: bytes) -> None:
    """Whole, or byte by byte, or in any pieces; and nothing is raised."""
    whole, broken = fed([garbage]) if garbage else ([], None)
    parts = data.draw(pieces(garbage))
    replies, why = fed(parts)
    if not replies:
        assert (whole, broken) == ([], why)
    elif b"".join(replies) != garbage:
        assert (whole, broken) == ([], Outcome.BAD_REPLY), "a reply, and what follows it unasked"
    for reply in replies:
        with contextlib.suppress(ValueError):  # it was framed, but may say nothing that can be read
            decode(reply)


@settings(max_examples=40)
@given(VALUES, st.lists(VALUES, min_size=1, max_size=3))
def test_pushes_before_a_reply_are_passed_over(value: Reply, news: list[Reply]) -> None:
    push, _ = _listed(b">", news)
    assert fed([push + value[0]]) == ([value[0]], None)
    assert fed([push, value[0]]) == ([value[0]], None)


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"+OK\r\n", VALUE), (b"-ERR no\r\n", ERROR), (b"!9\r\nERR wrong\r\n", ERROR), (b"*1\r\n-ERR inner\r\n", VALUE),
        (b"-LOADING Redis is loading the dataset in memory\r\n", UNREADY), (b"|1\r\n+a\r\n-b\r\n-ERR no\r\n", ERROR),
        (b"|1\r\n-a\r\n-b\r\n+OK\r\n", VALUE),
    ],
)  # fmt: skip
def test_an_error_is_told_from_a_value_by_the_outermost_type(wire: bytes, status: int) -> None:
    said = reader_says([wire])
    assert isinstance(said, tuple)
    assert said[0] == status
    assert library() is None or engine_says([wire]) == said


@pytest.mark.parametrize(
    "wire",
    [
        b"$%d\r\n" % (MAX_BODY + 1), b"*%d\r\n" % MAX_BODY, b"+" + b"x" * (MAX_LINE + 1), b":" + b"1" * MAX_LINE + b"1\r\n",
        b"%%%d\r\n" % (MAX_BODY // 2),
    ],
)  # fmt: skip
def test_what_is_too_large_is_given_up_as_soon_as_it_says_so(wire: bytes) -> None:
    assert fed([wire]) == ([], Outcome.TOO_LARGE)
    assert library() is None or engine_says([wire]) is Outcome.TOO_LARGE


def test_a_reply_that_grows_without_end_is_given_up_at_its_bound() -> None:
    reader, element = RespReader(), b"$65536\r\n" + bytes(65536) + b"\r\n"
    assert reader.feed(b"*1000\r\n") is Step.MORE
    taken = 0
    while reader.feed(element) is Step.MORE:
        taken += len(element)
    assert reader.outcome is Outcome.TOO_LARGE
    assert taken <= MAX_BODY


def test_pushes_without_end_leave_nothing_behind() -> None:
    reader = RespReader()
    for _ in range(200):
        assert reader.feed(b">2\r\n+message\r\n$65536\r\n" + bytes(65536) + b"\r\n") is Step.MORE
    assert reader.received == 0
    assert reader.feed(b"+OK\r\n") is Step.DONE


@pytest.mark.parametrize(
    "wire",
    [b"HTTP/1.1 200 OK\r\n", b"\r\n", b"$x\r\n", b"$-2\r\n", b"*1.5\r\n", b"$3\r\nabcde", b"*1\r\n>0\r\n", b"?\r\n"],
)
def test_what_is_no_reply_is_told_with_its_bytes(wire: bytes) -> None:
    reader = RespReader()
    assert reader.feed(wire) is Step.BROKEN
    assert reader.outcome is Outcome.BAD_REPLY
    assert library() is None or engine_says([wire]) is Outcome.BAD_REPLY
    assert reader.example.startswith("no RESP: b")
    assert reader.feed(b"+OK\r\n") is Step.BROKEN


def test_an_error_is_raised_with_the_stores_words() -> None:
    for wire in (b"-ERR unknown command\r\n", b"!19\r\nERR unknown command\r\n", b"*1\r\n-ERR unknown command\r\n"):
        with pytest.raises(RespError, match=r"^ERR unknown command$"):
            decode(wire)


def test_a_reply_that_is_nested_too_deeply_is_not_followed() -> None:
    deep = b"*1\r\n" * (MAX_DEPTH - 1) + b":1\r\n"
    assert fed([deep]) == ([deep], None)
    decode(deep)
    deeper = b"*1\r\n" * 100_000 + b":1\r\n"
    with pytest.raises(ValueError, match="no reply"):
        decode(deeper)


def test_a_score_may_be_infinite() -> None:
    assert decode(b",inf\r\n") == math.inf


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_a_command_is_a_list_of_strings(parts: list[bytes]) -> None:
    assert decode(command(*parts)) == parts
