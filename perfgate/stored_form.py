"""What lies in a file, read back as the types that wrote it: the one place that says which field of it is wrong.

The form is that of the classes themselves (dataclasses and TypedDicts), so that it cannot fall behind them. Whoever reads a
file adds its name and the remedy to the `WrongField`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar, cast

LARGEST = 2**63 - 1
"""Of whole numbers: what a database and numpy hold, and 292 years in ns."""
SIGNED = frozenset({"nice", "segment", "at_ns", "start_ns", "end_ns", "last_done_ns"})
"""Whole numbers that may lie under 0; all others count something, or are lengths."""
WISHES: dict[Any, str] = {
    float: "a number", int: "a whole number from 0 to 2**63 - 1", bool: "true or false", str: "text",
    datetime: "a time with its zone",
}  # fmt: skip

T = TypeVar("T")


class WrongField(ValueError):
    """`components[2].pair_sd = 'x' must be a number`: place and reason, without the file."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place} {why}".strip())
        self.place, self.why = place, why


def parse(text: str | bytes) -> Any:
    """JSON; NaN and Infinity, which are none, are left to be refused with the field that they stand in. Raises ValueError."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


@contextmanager
def at(place: str) -> Iterator[None]:
    """What is wrong in here is wrong at `place`: a field, or `[3]` of a list. ValueErrors become WrongFields."""
    try:
        yield
    except WrongField as wrong:
        raise WrongField(joined(place, wrong.place), wrong.why) from wrong
    except ValueError as error:
        raise WrongField(place, f"is damaged: {error}") from error


def joined(place: str, name: str) -> str:
    """`effects[2]` and `se` are `effects[2].se`."""
    return f"{place}{'' if not place or not name or name.startswith('[') else '.'}{name}"


def show(value: Any) -> str:
    """At most a line of it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def table_of(data: Any, place: str = "") -> Mapping[str, Any]:
    """`data`, if it is a JSON object. Raises WrongField."""
    if not isinstance(data, Mapping):
        raise WrongField(place, f"must be a table, not {show(data)}")
    return data


def rows_of(data: Mapping[str, Any], name: str) -> list[Any]:
    """The list of that name, which must be there. Raises WrongField."""
    rows = needed(data, name)
    if not isinstance(rows, list):
        raise WrongField(name, f"must be a list, not {show(rows)}")
    return rows


def needed(data: Any, name: str) -> Any:
    """The field of that name. Raises WrongField where it is missing."""
    if name not in table_of(data):
        raise WrongField(name, "is missing")
    return data[name]


def make(cls: type[T], data: Any, also: Iterable[str] = ()) -> T:
    """A dataclass of a JSON object with its fields, those with a default perhaps missing, and none but them and `also`.
    Raises WrongField."""
    hints = _hints(cast(Any, cls))
    if unknown := sorted(set(table_of(data)) - set(hints) - set(also)):
        raise WrongField(unknown[0], "is a field that this perfgate does not know")
    defaults = _optional(cast(Any, cls))
    return cls(**fields(cls, data, [name for name in hints if name in data or name not in defaults]))


def make_odd(cls: type[T], data: Any, odd: Mapping[Any, float], also: Iterable[str] = ()) -> T:
    """As `make`, where numbers that JSON does not know were written as the keys of `odd`. Raises WrongField."""
    hints, known = _hints(cast(Any, cls)), dict(table_of(data))
    put_back: dict[str, Any] = {}
    for name, value in known.items():
        if hints.get(name) in (float, float | None) and _is_odd(value, odd):
            known[name], put_back[name] = 0.0, odd[value]
        elif hints.get(name) == tuple[float, ...] and isinstance(value, list | tuple):
            known[name] = [0.0 if _is_odd(one, odd) else one for one in value]
            put_back[name] = tuple(odd[one] if _is_odd(one, odd) else one for one in value)
    made = make(cls, known, also)
    return cast(T, dataclasses.replace(cast(Any, made), **put_back)) if put_back else made


def _is_odd(value: Any, odd: Mapping[Any, float]) -> bool:
    return (value is None or isinstance(value, str)) and value in odd


def fields(cls: type[Any], data: Any, names: Iterable[str]) -> dict[str, Any]:
    """The values of some of the fields of a dataclass, each of the type it asks for. Raises WrongField."""
    hints = _hints(cast(Any, cls))
    return {name: value_of(hints[name], needed(data, name), name) for name in names}


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cast(Any, cls))


@functools.cache
def _optional(cls: Any) -> frozenset[str]:
    missing = dataclasses.MISSING
    return frozenset(
        one.name for one in dataclasses.fields(cls) if one.default is not missing or one.default_factory is not missing
    )


def value_of(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type that a field asks for. Raises WrongField naming `where`."""
    if hint is Any:
        return _any(value, where)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # only `X | None` is used
        return None if value is None else value_of(inner[0], value, where)
    if origin is list:
        return list(_tuple((*inner, ...), value, where))
    if origin is tuple:
        return _tuple(inner, value, where)
    if origin is not None and issubclass(origin, Mapping):
        with at(where):
            rows = table_of(value).items()
            return {value_of(inner[0], key, "a name"): value_of(inner[1], one, str(key)) for key, one in rows}
    if typing.is_typeddict(hint):
        return _typed(hint, value, where)
    if dataclasses.is_dataclass(hint):
        with at(where):
            return make(cast(type, hint), value)
    return _scalar(hint, value, where)


def _any(value: Any, where: str) -> Any:
    """Whatever JSON can hold: it may be written as it is. Raises WrongField for NaN and Infinity, at any depth."""
    if isinstance(value, float) and not math.isfinite(value):
        raise WrongField(where, f"= {value!r} must be a number")
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, one in items:
        _any(one, joined(where, f"[{key}]" if isinstance(key, int) else str(key)))
    return value


def _tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise WrongField(where, f"must be a list, not {show(value)}")
    if inner[-1] is Ellipsis:
        return tuple(value_of(inner[0], one, f"{where}[{number}]") for number, one in enumerate(value))
    if len(value) != len(inner):
        raise WrongField(where, f"must be a list of {len(inner)}, not {show(value)}")
    return tuple(
        value_of(hint, one, f"{where}[{number}]") for number, (hint, one) in enumerate(zip(inner, value, strict=True))
    )


def _typed(hint: Any, value: Any, where: str) -> dict[str, Any]:
    """A TypedDict: what it names is as it says, and what it does not name stays."""
    with at(where):
        hints = _hints(hint)
        for name in hint.__required_keys__:
            needed(value, name)
        return {name: value_of(hints.get(name, Any), one, name) for name, one in table_of(value).items()}


def _scalar(hint: Any, value: Any, where: str) -> Any:
    try:
        if fits(hint, value) and (hint is not int or value >= 0 or where.rpartition(".")[2] in SIGNED):
            return value
        if hint is datetime and isinstance(value, str) and (moment := datetime.fromisoformat(value)).tzinfo:
            return moment
        if isinstance(hint, type) and issubclass(hint, Enum):
            return hint(value)
    except ValueError:
        pass
    wish = WISHES.get(hint) or f"one of {', '.join(str(one.value) for one in hint)}"
    raise WrongField(where, f"= {show(value)} must be {wish}")


def fits(hint: Any, value: Any) -> bool:
    """Whether it is one already; a whole number is a number, too, and stays what it is."""
    if isinstance(value, bool) or hint in (bool, str):
        return hint in (bool, str) and isinstance(value, hint)
    if hint is float and isinstance(value, float):
        return math.isfinite(value)
    return hint in (int, float) and isinstance(value, int) and abs(value) <= LARGEST
