"""Makes a Policy of a name, the scenario's `[gate]` and the command line, and refuses one that cannot work."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from perfgate.errors import InputError
from perfgate.gate.policy import Policy
from perfgate.units import NS_PER_MS, NS_PER_S

STANDARD = Policy()
QUICK = Policy(
    name="quick",
    margin=0.10,  # 2 s an arm and pair do not resolve less
    looks=(8, 10, 12, 16),
    pass_from=8,
    min_pairs=8,
    warmup_ns=NS_PER_S // 2,
    measured_ns=2 * NS_PER_S,
)
COMPETITIVE_MARGIN = 0.10
POLICIES: Mapping[str, Policy] = {"standard": STANDARD, "quick": QUICK}


def policy_for(gate: Mapping[str, Any], name: str | None = None, **overrides: Any) -> Policy:
    """The named policy (or the one `[gate]` names, or standard), changed by `[gate]` and then by `overrides`, both
    with the keys of `[gate]`. Raises InputError naming field, value and remedy."""
    named = name or gate.get("policy", "standard")
    if named not in POLICIES:
        raise InputError(f"gate.policy = {named!r} does not exist; there are {', '.join(POLICIES)}")
    # A policy asked for by name on the command line is meant as it is: [gate] belongs to the one the file names.
    settings = {**(gate if name in (None, gate.get("policy", "standard")) else {}), **overrides}
    policy = dataclasses.replace(POLICIES[named], **_fields(settings, POLICIES[named]))
    _check(policy)
    return policy


def blind_spots(policy: Policy) -> str:
    """One sentence on what a policy cannot see; empty for the standard one."""
    if policy.name != "quick":
        return ""
    return (
        f"The quick policy blocks only what is clearly slower by more than {policy.margin:.0%}; "
        "smaller regressions, rare stalls and slow leaks are for the standard policy."
    )


def _fields(settings: Mapping[str, Any], base: Policy) -> dict[str, Any]:
    """`[gate]`'s names and units to the policy's."""
    plain = {name: settings[name] for name in ("margin", "inconclusive", "trim") if name in settings}
    for key, field, scale in (
        ("floor_ms", "floor_ns", NS_PER_MS),
        ("slice_ms", "slice_ns", NS_PER_MS),
        ("max_lag_p99_ms", "max_lag_p99_ns", NS_PER_MS),
        ("warmup_seconds", "warmup_ns", NS_PER_S),
        ("measured_seconds", "measured_ns", NS_PER_S),
    ):
        if key in settings:
            plain[field] = round(settings[key] * scale)
    if "looks" in settings:
        looks = tuple(settings["looks"])
        plain["looks"] = looks
        plain["min_pairs"] = min(base.min_pairs, looks[0]) if base.name == "quick" else base.min_pairs
        plain["pass_from"] = min(base.pass_from, looks[-1])
    if settings.get("competitive"):
        plain["competitive"] = True
        plain.setdefault("margin", COMPETITIVE_MARGIN)
    return plain


def _check(policy: Policy) -> None:
    """A policy that can't work is refused."""
    looks = policy.looks
    rising = all(later > earlier for earlier, later in pairwise(looks))
    for wrong, text in (
        (not 0 < policy.margin < 10, f"margin = {policy.margin} must be above 0 (0.05 is 5 %)"),
        (not looks or not rising or looks[0] < 2, f"looks = {list(looks)} must rise and begin at 2 or more pairs"),
        (not 0 < policy.alpha_block < 0.5, f"alpha_block = {policy.alpha_block} must lie between 0 and 0.5"),
        (not 0 < policy.alpha_pass < 0.5, f"alpha_pass = {policy.alpha_pass} must lie between 0 and 0.5"),
        (not 0 <= policy.trim < 0.5, f"trim = {policy.trim} must be at least 0 and below 0.5"),
        (looks[-1:] < (policy.min_pairs,), f"looks = {list(looks)} must end at {policy.min_pairs} pairs or more"),
        (policy.slice_ns <= 0 or policy.measured_ns < policy.slice_ns, "measured_seconds must hold at least one slice"),
        (policy.inconclusive not in ("warn", "block"), f"inconclusive = {policy.inconclusive!r} must be warn or block"),
    ):
        if wrong:
            raise InputError(f"gate: {text}")
