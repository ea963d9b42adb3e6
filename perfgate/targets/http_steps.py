"""The rows of requests beside the operations: `[[prepare]]`, `[[learn]]` and `[[finish]]` of a target file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from perfgate.targets.adapter import shorten
from perfgate.targets.pieces import Scalar, plain
from perfgate.targets.reply_path import compile_path
from perfgate.targets.reply_reader import ReplyReader
from perfgate.targets.requests_model import RequestSpec


class Steps:
    """`each`: (request, memory space) in order; one that goes to a memory space is sent for each of them.

    name: of the table, for messages.
    """

    def __init__(
        self, name: str, specs: Sequence[RequestSpec], spaces: int, of_a_space: Callable[[RequestSpec], bool]
    ) -> None:
        self.each: list[tuple[RequestSpec, int]] = []
        self._readers: list[ReplyReader] = []
        for number, spec in enumerate(specs):
            reader = ReplyReader(f"{name}.{number}", spec)
            for space in range(spaces if of_a_space(spec) else 1):
                self.each.append((spec, space))
                self._readers.append(reader)

    def problem(self, number: int, status: int, body: bytes) -> str:
        """Empty when request `number` succeeded, otherwise what the store said."""
        return self._readers[number].problem(status, body)

    def taken(self, number: int, status: int, body: bytes) -> dict[str, Scalar]:
        """What the reply to request `number` teaches. Raises ValueError for one that does not."""
        if problem := self.problem(number, status, body):
            raise ValueError(problem)
        reply = orjson.loads(body)
        return {name: _one(path, reply, body) for name, path in self.each[number][0].take.items()}

    def awaited(self, number: int, status: int, body: bytes, nodes: int) -> str:
        """Empty when all stands where it must; otherwise what does not yet. Raises ValueError for a failure."""
        if problem := self.problem(number, status, body):
            raise ValueError(problem)
        until = self.each[number][0].until
        reply = orjson.loads(body) if until else None
        for path, wanted in until.items():
            found = compile_path(path).find(reply)
            value = wanted.replace("{nodes}", str(nodes)) if isinstance(wanted, str) else wanted
            if not found or not all(_same(value, one) for one in found):
                return f"{path} is {str(found[0] if len(found) == 1 else found)[:60]}, not {value}"
        return ""


def _one(path: str, reply: Any, body: bytes) -> Scalar:
    found = compile_path(path).find(reply)
    if len(found) != 1 or not isinstance(found[0], str | int | float) or found[0] == "":
        raise ValueError(f"{path} leads to no single value in {shorten(body)}")
    value: Scalar = found[0]
    if not plain(value).isascii() or not plain(value).isprintable():  # it may go into a header
        raise ValueError(f"{path} leads to {value!r}, which is not printable ASCII")
    return value


def _same(wanted: Scalar, found: Any) -> bool:
    """A text is the same as a number that is written like it; a number is not the same as a boolean."""
    if isinstance(wanted, str):
        return isinstance(found, str | int | float) and plain(found) == wanted
    return isinstance(wanted, bool) is isinstance(found, bool) and bool(wanted == found)
