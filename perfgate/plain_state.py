"""Pickling of frozen dataclasses with slots by way of a list of their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

Kind = TypeVar("Kind", bound=type)


def plain_state(kind: Kind) -> Kind:
    """A class decorator, above @dataclass: what is pickled is the same, but takes no tuple of all fields each time.

    dataclasses makes that tuple from a generator: CPython allocates one of 10, shrinks it, and when it is no longer used
    keeps it in the free list of its own length, up to 2,000 of each, until the next full collection. A worker that plays
    collects nothing and sends an interval a second: it would grow by a KiB a second for half an hour.
    """
    names = tuple(field.name for field in fields(kind))
    kind.__getstate__ = _reader(names)  # type: ignore[method-assign, assignment]
    return kind


def _reader(names: tuple[str, ...]) -> Callable[[Any], list[Any]]:
    def values(self: Any) -> list[Any]:
        return [getattr(self, name) for name in names]

    return values
