"""Host profiles as JSON, exact both ways."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from perfgate.calibration.profile import Component, HostProfile
from perfgate.errors import InputError

KIND = "perfgate host profile"
VERSION = 1
REMEDY = "the file was changed: restore it, or run perfgate calibrate again"

T = TypeVar("T")


def profile_to_json(profile: HostProfile) -> dict[str, Any]:
    """JSON-ready, kind and version first."""
    return {"kind": KIND, "version": VERSION, **_plain(dataclasses.asdict(profile))}


def profile_from_json(data: Any, origin: str) -> HostProfile:
    """Raises InputError naming `origin` (the file), the field and the remedy."""
    if not isinstance(data, Mapping) or data.get("kind") != KIND:
        raise InputError(f"{origin}: is no host profile of perfgate; give a file that perfgate calibrate wrote")
    if data.get("version") != VERSION:
        raise InputError(
            f"{origin}: version {data.get('version')} of a host profile cannot be read by this perfgate (it reads "
            f"{VERSION}); run perfgate calibrate again"
        )
    try:
        made = _make(HostProfile, data, "")
        _check(made)
        return made
    except _WrongField as wrong:
        raise InputError(f"{origin}: {wrong}; {REMEDY}") from wrong


def _check(profile: HostProfile) -> None:
    """What no calibration writes, and what a gate must not decide by. Raises _WrongField."""
    trim = profile.recommended.trim
    if not 0 <= trim < 0.5:
        raise _WrongField(f"recommended.trim = {trim} must be at least 0 and below 0.5")
    for name in ("pairs", "starts", "pair_ns", "slice_ns", "measured_ns", "group_requests"):
        if getattr(profile, name) < 1:
            raise _WrongField(f"{name} = {getattr(profile, name)} must be above 0")
    for number, part in enumerate(profile.components):
        for name in _SPREADS:
            if getattr(part, name) < 0:
                raise _WrongField(f"components[{number}].{name} = {getattr(part, name)} must not be negative")


_SPREADS = tuple(field.name for field in dataclasses.fields(Component) if field.type == "float")


class _WrongField(ValueError):
    """`components[2].pair_sd = 'x' must be a number`."""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return value.value if isinstance(value, Enum) else value


def _make(cls: type[T], data: Any, place: str) -> T:
    """A dataclass from a mapping that has just its fields."""
    if not isinstance(data, Mapping):
        raise _WrongField(f"{place} must be a table")
    hints = typing.get_type_hints(cls)
    values = {}
    for name, hint in hints.items():
        where = f"{place}.{name}" if place else name
        if name not in data:
            raise _WrongField(f"{where} is missing")
        values[name] = _value(hint, data[name], where)
    return cls(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type that a field asks for."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # only `X | None` is used
        return None if value is None else _value(inner[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise _WrongField(f"{where} must be a list")
        return tuple(_value(inner[0], one, f"{where}[{number}]") for number, one in enumerate(value))
    if origin is not None:  # Mapping[str, str]
        if not isinstance(value, Mapping) or not all(isinstance(one, str) for one in value.values()):
            raise _WrongField(f"{where} must be a table of texts")
        return dict(value)
    if dataclasses.is_dataclass(hint):
        return _make(typing.cast(type, hint), value, where)
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        if hint is float and number and math.isfinite(value):  # NaN would pass each comparison with a limit
            return float(value)
        if (hint is int and number and isinstance(value, int)) or (hint in (bool, str) and isinstance(value, hint)):
            return value
        if hint is datetime and isinstance(value, str) and (moment := datetime.fromisoformat(value)).tzinfo:
            return moment
        if isinstance(hint, type) and issubclass(hint, Enum):
            return hint(value)
    except (ValueError, OverflowError):
        pass
    wish = {float: "a number", int: "a whole number", bool: "true or false", datetime: "a time with its zone"}
    raise _WrongField(f"{where} = {value!r} must be {wish.get(hint, getattr(hint, '__name__', 'text'))}")
