"""What the reply to a request of a target file's own says."""

from __future__ import annotations

import math
from typing import Any

import orjson

from perfgate.outcome import Outcome
from perfgate.targets.adapter import Judgement, shorten
from perfgate.targets.reply_path import ReplyPath, compile_path
from perfgate.targets.requests_model import RequestSpec

TEXT = frozenset((str,))


class ReplyReader:
    """Reads the replies to one request along its paths. name: of the request, for messages."""

    def __init__(self, name: str, spec: RequestSpec) -> None:
        self._name = name
        self.success = frozenset(spec.success)
        self.usual = spec.success[0]
        self._ids = [compile_path(path) for path in spec.ids]
        self._scores = [compile_path(path) for path in spec.scores]
        self._count = compile_path(spec.count) if spec.count else None
        self._missing = frozenset(spec.missing)
        self._statuses = {int(key): outcome for key, outcome in spec.errors.items() if key.isdigit()}
        self._errors = [(compile_path(key), outcome) for key, outcome in spec.errors.items() if not key.isdigit()]
        self.looks_into = bool(self._ids or self._scores or self._errors)
        self.first = _first([*self._ids, *self._scores])

    def looks_right(self, body: bytes) -> bool:
        """From outside."""
        return not self.first or body.lstrip()[:1] == self.first

    def failure(self, status: int, body: bytes) -> Judgement:
        """Of a status that is no success: its own outcome, or one that the body says, or a bad status."""
        example = f"{self._name}: status {status}: {shorten(body)}"
        if status in self._statuses:
            return Judgement(self._statuses[status], example=example)
        try:
            found = self.error_in(orjson.loads(body), status, body) if self._errors else None
        except ValueError:
            found = None
        return found or Judgement(Outcome.BAD_STATUS, example=example)

    def error_in(self, reply: Any, status: int, body: bytes) -> Judgement | None:
        """What the first of the error paths that leads to something says."""
        for path, outcome in self._errors:
            if path.steps and type(reply) is dict and path.steps[0] not in reply:  # nearly always
                continue
            if any(path.find(reply, lenient=True)):
                return Judgement(outcome, example=f"{self._name}: status {status}: {path.text} in {shorten(body)}")
        return None

    def ids(self, reply: Any) -> list[str]:
        """Best first. Raises ValueError for a reply that has another form."""
        ids = self._find_ids(reply)
        if self._name == "store":
            if self._ids and not (ids and all(ids)):
                raise ValueError(f"{self._ids[0].text} names no memory")
            return ids
        if self._scores:
            _check_scores([value for path in self._scores for value in path.find(reply)], len(ids))
        return ids

    def count(self, status: int, body: bytes) -> int:
        """The sum of the numbers there. Raises ValueError for a reply without any."""
        assert self._count is not None
        if problem := self.problem(status, body):
            raise ValueError(problem)
        numbers = self._count.find(orjson.loads(body))
        if not numbers:
            raise ValueError(f"{self._count.text} is not in {shorten(body)}")
        return sum(_whole(number, self._count.text) for number in numbers)

    def problem(self, status: int, body: bytes) -> str:
        """Empty for success; otherwise what the store said."""
        if status not in self.success:
            return f"status {status}: {shorten(body)}"
        if self._errors:
            try:
                failed = self.error_in(orjson.loads(body), status, body)
            except ValueError as error:
                return f"{error} in {shorten(body)}"
            return failed.example if failed is not None else ""
        return ""

    def got(self, wanted: str, status: int, body: bytes) -> bool:
        """Whether the memory is there. Raises ValueError for a reply that says neither."""
        if status in self._missing:
            return False
        if problem := self.problem(status, body):
            raise ValueError(problem)
        if not self._ids:
            return True
        return wanted in self._find_ids(orjson.loads(body))

    def _find_ids(self, reply: Any) -> list[str]:
        found: list[Any] = []
        for path in self._ids:
            found += path.find(reply)
        return found if set(map(type, found)) <= TEXT else list(map(_id, found))


def _first(paths: list[ReplyPath]) -> bytes:
    kinds = {path.first for path in paths}
    return kinds.pop() if len(kinds) == 1 else b""


def _id(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        raise ValueError(f"the path of ids leads to a list, not to each id in it: end it with [*] ({str(value)[:40]})")
    raise ValueError(f"an id that is neither text nor a whole number: {str(value)[:40]}")


def _whole(value: Any, where: str) -> int:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or not 0 <= value < 1e15:
        raise ValueError(f"{where} leads to {str(value)[:40]!r}, which is no count")
    return int(value)


def _check_scores(scores: list[Any], ids: int) -> None:
    """As many as ids, and in one order: similarities fall, distances rise."""
    if len(scores) != ids:
        raise ValueError(f"{ids} ids, but {len(scores)} scores")
    if not scores:
        return
    kinds = set(map(type, scores))
    if not kinds <= {int, float} or not math.isfinite(sum(scores)):
        raise ValueError(f"scores that are not all numbers: {str(scores)[:60]}")
    rising = sorted(scores)
    if scores != rising and scores[::-1] != rising:
        raise ValueError("the results are not in the order of their scores")
