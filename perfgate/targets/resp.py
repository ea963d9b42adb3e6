"""The Redis protocol (RESP) as an adapter needs it: commands as bytes, and the value that a complete reply holds.

https://redis.io/docs/latest/develop/reference/protocol-spec/; RESP2 as a connection begins, and RESP3.
"""

from __future__ import annotations

from typing import Any

from perfgate.targets.adapter import shorten

MAX_DEPTH = 32


class RespError(ValueError):
    """What the store says instead of an answer."""


def command(*parts: bytes) -> bytes:
    """One command with its arguments."""
    return b"*%d\r\n%b" % (len(parts), b"".join(map(bulk, parts)))


def bulk(part: bytes) -> bytes:
    """One argument of a command."""
    return b"$%d\r\n%b\r\n" % (len(part), part)


def decode(body: bytes) -> Any:
    """The value of one complete reply: bytes for strings, int, float, bool, None for null, lists, and dicts for maps.
    Attributes are left out.

    Raises RespError with the store's own words for an error, ValueError for what is no reply.
    """
    try:
        value, end = _value(body, 0, 0)
    except IndexError as error:
        raise ValueError(f"half a reply: {shorten(body)}") from error
    if end != len(body):
        raise ValueError(f"more than one reply: {shorten(body)}")
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """The value that begins at `at`, and where it ends."""
    end = data.find(b"\r\n", at)
    if end < 0 or depth > MAX_DEPTH:
        raise ValueError(f"no reply of the Redis protocol: {shorten(data[at:])}")
    kind, line, after = data[at : at + 1], data[at + 1 : end], end + 2
    if kind == b"$":
        return _string(data, line, after)
    if kind == b"*":
        return _items(data, int(line), after, depth) if line != b"-1" else (None, after)
    if kind == b":":
        return int(line), after
    if kind == b"+":
        return line, after
    if kind == b"-":
        raise RespError(line.decode(errors="replace"))
    return _of_resp3(data, kind, line, after, depth)


def _of_resp3(data: bytes, kind: bytes, line: bytes, after: int, depth: int) -> tuple[Any, int]:
    match kind:
        case b",":
            return float(line), after
        case b"_" if not line:
            return None, after
        case b"#" if line in (b"t", b"f"):
            return line == b"t", after
        case b"(":
            return int(line), after
        case b"=":
            text, after = _string(data, line, after)
            return text[4:], after  # behind its format, `txt:`
        case b"!":
            text, _ = _string(data, line, after)
            raise RespError(text.decode(errors="replace"))
        case b"~" | b">":
            return _items(data, int(line), after, depth)
        case b"%":
            pairs, after = _items(data, 2 * int(line), after, depth)
            return _mapping(pairs), after
        case b"|":
            _, after = _items(data, 2 * int(line), after, depth)
            return _value(data, after, depth + 1)
    raise ValueError(f"no reply of the Redis protocol: {shorten(kind + line)}")


def _string(data: bytes, line: bytes, at: int) -> tuple[Any, int]:
    size = int(line)
    if size == -1:
        return None, at
    if size < 0 or data[at + size : at + size + 2] != b"\r\n":
        raise ValueError(f"a string that is not as long as it says: {shorten(data[at:])}")
    return data[at : at + size], at + size + 2


def _items(data: bytes, count: int, at: int, depth: int) -> tuple[list[Any], int]:
    if count < 0:
        raise ValueError(f"a list of {count} elements")
    items = []
    for _ in range(count):
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return items, at


def _mapping(pairs: list[Any]) -> dict[Any, Any]:
    try:
        return dict(zip(pairs[::2], pairs[1::2], strict=True))
    except TypeError as error:
        raise ValueError("a map whose keys are lists or maps") from error
