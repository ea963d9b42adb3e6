"""What a target file says of a store beside how it is spoken to: which option trades recall for time, its version, and what
a store that is asked to remember something promises."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

from perfgate.errors import InputError
from perfgate.targets.load import target_from_json
from perfgate.targets.model import Target

Value = int | float | str
Applies = Literal["request", "load"]


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """`[search]`: the option that trades recall for time, and the values at which stores are compared. applies: `request`
    where a value is sent with each search; `load` where it stands in a step before or after loading, so that each value
    needs a store that was loaded with it."""

    parameter: str
    values: tuple[Value, ...]
    applies: Applies = "request"


@dataclass(frozen=True, slots=True)
class About:
    """`[about]`. version, or version_command: an argument list whose first line of output says it; {python} and {artifact}
    are filled in. durability: in words, what is lost when the power fails. licence: under which it may be run here."""

    version: str = ""
    version_command: tuple[str, ...] = ()
    durability: str = ""
    licence: str = ""


def search_of(target: Target) -> SearchSpec | None:
    """None where the file has no `[search]`. Raises InputError for a parameter that is no option, or a bad value of it."""
    said = json.loads(target.source).get("search")
    if said is None:
        return None
    spec = SearchSpec(said["parameter"], tuple(said["values"]), said.get("applies", "request"))
    if spec.parameter not in target.options:
        known = ", ".join(target.options) or "none"
        raise InputError(
            f"target {target.name!r}: search.parameter = {spec.parameter!r} is none of its options; there are: {known}"
        )
    for value in spec.values:
        with_option(target, spec.parameter, value)
    return spec


def about_of(target: Target) -> About:
    """Empty for what the file does not say."""
    said = json.loads(target.source).get("about", {})
    return About(
        said.get("version", ""),
        tuple(said.get("version_command", ())),
        said.get("durability", ""),
        said.get("licence", ""),
    )


def with_option(target: Target, name: str, value: Value) -> Target:
    """The same target with another value of one option. Raises InputError for a value that it cannot have."""
    document = json.loads(target.source)
    document.setdefault("options", {})[name] = value
    source = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return replace(target, options=target_from_json(source).options, source=source)
