"""Host profiles as JSON, exact both ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from perfgate.calibration.profile import Component, HostProfile
from perfgate.errors import InputError
from perfgate.stored_form import WrongField, fields

KIND = "perfgate host profile"
VERSION = 1
ADDED = frozenset({"together"})
"""Fields that older files of this version do not have."""
REMEDY = "the file was changed: restore it, or run perfgate calibrate again"


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
        names = [one.name for one in dataclasses.fields(HostProfile) if one.name in data or one.name not in ADDED]
        made = HostProfile(**fields(HostProfile, data, names))
        _check(made)
        return made
    except WrongField as wrong:
        raise InputError(f"{origin}: {wrong}; {REMEDY}") from wrong


def _check(profile: HostProfile) -> None:
    """What no calibration writes, and what a gate must not decide by. Raises WrongField."""
    trim = profile.recommended.trim
    if not 0 <= trim < 0.5:
        raise WrongField("recommended.trim", f"= {trim} must be at least 0 and below 0.5")
    for name in ("pairs", "starts", "pair_ns", "slice_ns", "measured_ns", "group_requests"):
        if getattr(profile, name) < 1:
            raise WrongField(name, f"= {getattr(profile, name)} must be above 0")
    for number, part in enumerate(profile.components):
        for name in _SPREADS:
            if getattr(part, name) < 0:
                raise WrongField(f"components[{number}].{name}", f"= {getattr(part, name)} must not be negative")


_SPREADS = tuple(field.name for field in dataclasses.fields(Component) if field.type == "float")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return value.value if isinstance(value, Enum) else value
