"""A policy value by value: what it is, where it comes from, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import DUET, POLICIES, UNITS, policy_for
from perfgate.gate.policy_words import WHY, WHY_DUET, WHY_QUICK

_KEYS = {field: (key, scale) for key, (field, scale) in UNITS.items()}


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """key and value as `[gate]` writes them; origin: standard, quick, duet, follows, or what the caller calls its file."""

    key: str
    value: Any
    origin: str
    why: str


def policy_lines(settings: Mapping[str, Any], name: str | None, given: str) -> list[PolicyLine]:
    """Of the policy that `policy_for(settings, name)` makes. given: what to call the place of `settings`.

    Raises InputError for a policy that cannot work.
    """
    policy = policy_for(settings, name)
    in_file = settings.get("policy", "standard")
    said = settings if name in (None, in_file) else {}
    duet = DUET[policy.name] if policy.mode == "duet" else {}
    base = dataclasses.replace(POLICIES[policy.name], **duet)
    return [
        _line(field.name, policy, base, said, given, duet)
        for field in dataclasses.fields(Policy)
        if field.name != "name"
    ]


def _line(
    field: str, policy: Policy, base: Policy, said: Mapping[str, Any], given: str, duet: Mapping[str, Any]
) -> PolicyLine:
    key, scale = _KEYS.get(field, (field, 0))
    value, usual = getattr(policy, field), getattr(base, field)
    shown = value / scale if scale else list(value) if isinstance(value, tuple) else value
    origin, why = "standard", WHY[key]
    if field in duet:
        origin, why = "duet", WHY_DUET[key]
    elif policy.name == "quick" and usual != getattr(Policy(), field):
        origin, why = "quick", WHY_QUICK[key]
    if key in said or field in said:
        return PolicyLine(key, shown, given, f"instead of {_written(usual, scale)} ({why})" if value != usual else why)
    if value != usual:
        return PolicyLine(key, shown, "follows", f"follows from the others, instead of {_written(usual, scale)}")
    return PolicyLine(key, shown, origin, why)


def _written(value: Any, scale: int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value / scale:g}" if scale else str(list(value) if isinstance(value, tuple) else value)
