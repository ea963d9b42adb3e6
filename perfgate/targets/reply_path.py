"""Where in a JSON reply something stands: `result.points[*].id`. A small language, compiled ahead.

A path is a row of steps from the top of the reply: `name` or `["any name"]` is a key of an object, `[0]` a place in a
list (`[-1]` the last), `[*]` all of a list, and `$` alone the whole reply. What is not there, or is null, gives nothing;
but after `[*]` a missing key is an error, since every item must have it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

_STEP = re.compile(r"""\.?(?P<name>[A-Za-z_][\w-]*)|\[(?P<place>-?\d+|\*)\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]""")
_ALL = ("*",)
Step = str | int | tuple[str]


@dataclass(frozen=True, slots=True)
class ReplyPath:
    """A compiled path; `text` as it was written."""

    text: str
    steps: tuple[Step, ...]
    usual: tuple[tuple[str, ...], Callable[[Any], Any]] | None = None
    """Of a path like a.b[*].id: the keys before, and what takes the key after."""

    @property
    def first(self) -> bytes:
        """The first byte of every reply that it can find something in."""
        if not self.steps:
            return b""
        return b"{" if isinstance(self.steps[0], str) else b"["

    def find(self, reply: Any, lenient: bool = False) -> list[Any]:
        """What stands there, in order. Raises ValueError where the reply has another form; lenient: of another form is
        then only what is not looked into."""
        if self.usual is not None and not lenient:
            try:  # in a third of the time; what is unusual goes the long way, which has the words for it
                before, after = self.usual
                items = reply
                for key in before:
                    items = items[key]
                if type(items) is list:
                    return list(map(after, items))
            except (LookupError, TypeError):
                pass
        found, inside = [reply], False
        for step in self.steps:
            found = [value for value in found if value is not None] if not inside else found
            if lenient:
                wanted = dict if isinstance(step, str) else list
                found = [value for value in found if type(value) is wanted]
            if isinstance(step, str):
                found = self._keys(found, step, inside and not lenient)
            elif isinstance(step, int):
                found = [value[step] for value in self._lists(found) if -len(value) <= step < len(value)]
            else:
                found, inside = [item for value in self._lists(found) for item in value], True
        return found if inside else [value for value in found if value is not None]

    def _keys(self, found: Sequence[Any], key: str, inside: bool) -> list[Any]:
        for value in found:
            if not isinstance(value, dict):
                raise ValueError(f"{self.text}: {key} is looked for in {_name(value)}")
            if inside and key not in value:
                raise ValueError(f"{self.text}: {key} is missing in an item")
        return [value[key] for value in found if key in value]

    def _lists(self, found: Sequence[Any]) -> Sequence[list[Any]]:
        for value in found:
            if not isinstance(value, list):
                raise ValueError(f"{self.text}: a list is looked for, and there is {_name(value)}")
        return found


def compile_path(text: str) -> ReplyPath:
    """Raises ValueError saying where the text stops being a path."""
    if text == "$":
        return ReplyPath(text, ())
    rest = text.removeprefix("$") if text.startswith(("$.", "$[")) else text
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        if step is None or (at == 0 and rest == text and rest.startswith(".")):
            break
        steps.append(_read(step))
        at = step.end()
    if at < len(rest) or not steps:
        place = f"at {rest[at:][:20]!r}" if rest else "it is empty"
        raise ValueError(f'a path like result.points[*].id, hits[0].doc["my id"] or $ ({place} it is none)')
    *before, last = steps
    usual = None
    if before and before.pop() == _ALL and isinstance(last, str) and all(isinstance(step, str) for step in before):
        usual = (tuple(str(step) for step in before), itemgetter(last))
    return ReplyPath(text, tuple(steps), usual)


def _read(step: re.Match[str]) -> Step:
    if step["name"] is not None:
        return step["name"]
    if step["quoted"] is not None:
        return str(json.loads(step["quoted"]))
    return _ALL if step["place"] == "*" else int(step["place"])


def _name(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
