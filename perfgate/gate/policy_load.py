"""Makes a Policy of a name, the scenario's `[gate]` and the command line, and refuses one that cannot work."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from perfgate.errors import InputError
from perfgate.gate.policy import Policy
from perfgate.gate.whole_starts import LEAST_STARTS, whole_starts
from perfgate.units import NS_PER_MS, NS_PER_S

STANDARD = Policy()
QUICK = Policy(
    name="quick",
    primary="p95",  # some 700 requests an operation and pair have 7 beyond their p99: bursts would decide
    margin=0.10,  # what so short a measurement can resolve; at 5 % half of the gates would stay undecided
    looks=(8, 10, 12, 16),  # a clear difference shows after 10 or 12 pairs, in about a minute
    pass_from=8,
    min_pairs=8,
    group_requests=60,  # each slice counts by itself, so that there are ten to trim bursts from
    warmup_ns=NS_PER_S // 2,
    measured_ns=5 * NS_PER_S // 2,
)
DUET: Mapping[str, Mapping[str, Any]] = {
    "standard": {
        "looks": (12, 16, 20, 24, 30, 36),  # a pair takes 20 s for both, as in alternation: six more where few differ
        "warmup_ns": 4 * NS_PER_S,  # two fresh processes that warm up at once take longer, and nothing is lost by it
        "measured_ns": 16 * NS_PER_S,  # of both at once: 20 s a pair, as in alternation
    },
    "quick": {
        "warmup_ns": NS_PER_S,  # 6 s a pair, as in alternation
        "measured_ns": 5 * NS_PER_S,
    },
}
"""What a policy has otherwise in a duet: there, time counts for both builds."""
MODES = ("alternation", "duet")
COMPETITIVE_MARGIN = 0.10
LEAST_ALPHA = 1e-9
"""With less nothing would ever block, and no p value is computed so far out."""
POLICIES: Mapping[str, Policy] = {"standard": STANDARD, "quick": QUICK}
UNITS: Mapping[str, tuple[str, int]] = {
    "floor_ms": ("floor_ns", NS_PER_MS),
    "slice_ms": ("slice_ns", NS_PER_MS),
    "max_lag_p99_ms": ("max_lag_p99_ns", NS_PER_MS),
    "max_gc_pause_ms": ("max_gc_pause_ns", NS_PER_MS),
    "max_start_spread_ms": ("max_start_spread_ns", NS_PER_MS),
    "warmup_seconds": ("warmup_ns", NS_PER_S),
    "measured_seconds": ("measured_ns", NS_PER_S),
}
"""Keys of `[gate]` that carry a unit: the policy's field and how many ns one is."""
GENERATOR = (
    "max_lag_p99_ns", "max_worker_cpu", "max_core_wait", "max_steal", "max_gc_pause_ns", "min_offered", "agent_loss",
    "max_start_spread_ns", "start_spread",
)  # fmt: skip
"""The fields that judge the load generator, which a run without a gate is held to as well."""
FIELDS = frozenset(field.name for field in dataclasses.fields(Policy)) - {"name"}


def policy_for(gate: Mapping[str, Any], name: str | None = None, **overrides: Any) -> Policy:
    """The named policy (or the one `[gate]` names, or standard), changed by `[gate]` and then by `overrides`, both
    with the keys of `[gate]` or the fields of Policy. Raises InputError naming field, value and remedy."""
    in_file = gate.get("policy", "standard")
    named = name or in_file
    if named not in POLICIES:
        raise InputError(f"gate.policy = {named!r} does not exist; write one of: {', '.join(POLICIES)}")
    # A policy asked for by name on the command line is meant as it is: [gate] belongs to the one the file names.
    settings = {**(gate if named == in_file else {}), **overrides}
    base = POLICIES[named]
    if settings.get("mode") == "duet":
        base = dataclasses.replace(base, **DUET[named])
    policy = whole_starts(dataclasses.replace(base, **_fields(settings, base)))
    check_policy(policy)
    return policy


def run_policy(gate: Mapping[str, Any]) -> Policy:
    """What a run without a gate is held to: of the policy that `[gate]` makes, the part that judges the generator. The
    rest is neither used nor checked. Raises InputError naming field, value and remedy."""
    base = POLICIES[gate.get("policy", "standard")]
    fields = _fields(gate, base)
    policy = dataclasses.replace(base, **{name: fields[name] for name in GENERATOR if name in fields})
    for text in _generator_faults(policy):
        raise InputError(f"gate: {text}")
    return policy


def check_policy(policy: Policy) -> None:
    """Raises InputError for a policy that cannot work, naming the first field at fault, its value and the remedy."""
    for text in _faults(policy):
        raise InputError(f"gate: {text}")


def blind_spots(policy: Policy) -> str:
    """One sentence on what a policy cannot see; empty for the standard one."""
    if policy.name != "quick":
        return ""
    return (
        f"The quick policy asks for {policy.primary} and sees only what is clearly slower by more than "
        f"{100 * policy.margin:g} %: smaller regressions, the tail beyond {policy.primary}, rare stalls and slow leaks "
        "are for the standard policy."
    )


def _fields(settings: Mapping[str, Any], base: Policy) -> dict[str, Any]:
    """`[gate]`'s names and units to the policy's."""
    values: dict[str, Any] = {}
    for key, value in settings.items():
        if key in UNITS:
            field, scale = UNITS[key]
            values[field] = round(value * scale) if math.isfinite(value) else -1
        elif key in FIELDS:
            values[key] = value
        elif key != "policy":
            raise InputError(f"gate.{key} is not a setting; there are: {', '.join(sorted(FIELDS | set(UNITS)))}")
    if "looks" in values:
        values["looks"] = looks = tuple(values["looks"])
        if looks and base.name == "quick":
            values.setdefault("min_pairs", min(base.min_pairs, looks[0]))
        values.setdefault("pass_from", min(base.pass_from, looks[-1]) if looks else base.pass_from)
    if values.get("competitive"):
        values.setdefault("margin", COMPETITIVE_MARGIN)
    return values


def _faults(policy: Policy) -> Iterator[str]:
    yield from _looks_faults(policy)
    for field in ("alpha_block", "alpha_pass", "alpha_quality"):
        if not LEAST_ALPHA <= getattr(policy, field) < 0.5:
            yield (
                f"{field} = {getattr(policy, field)} must lie between {LEAST_ALPHA:g} and 0.5; 0.005 is one false alarm in 200"
            )
    for field in ("margin", "error_margin", "recall_margin"):
        least_ok = getattr(policy, field) > 0 if field == "margin" else getattr(policy, field) >= 0
        if not (least_ok and getattr(policy, field) < 1):
            yield f"{field} = {getattr(policy, field)} must be a fraction above 0 and below 1; 0.05 is 5 %"
    for field in ("trim", "couple_trim"):
        if not 0 <= getattr(policy, field) < 0.5:
            yield f"{field} = {getattr(policy, field)} must be at least 0 and below 0.5; 0.1 leaves out a tenth at each end"
    if policy.primary not in ("p50", "p95", "p99"):
        yield f"primary = {policy.primary!r} must be p50, p95 or p99"
    if not 0 < policy.primary_share < 1:
        yield f"primary_share = {policy.primary_share} must lie between 0 and 1; 0.8 leaves a fifth for p95 and p50"
    if not policy.operation_margin_factor >= 1:
        yield f"operation_margin_factor = {policy.operation_margin_factor} must be at least 1"
    if not 0 < policy.group_keeps <= 1:
        yield f"group_keeps = {policy.group_keeps} must be a share above 0 and at most 1 (1: groups hide nothing)"
    yield from _generator_faults(policy)
    yield from _time_faults(policy)
    if policy.mode not in MODES:
        yield f"mode = {policy.mode!r} must be alternation (one build at a time) or duet (both at once)"
    yield from _starts_faults(policy)
    if not 0 < policy.max_leak < 1:
        yield f"max_leak = {policy.max_leak} must be a share above 0 and below 1; 0.1 is the standard"
    if policy.inconclusive not in ("warn", "block"):
        yield f"inconclusive = {policy.inconclusive!r} must be warn or block"


def _looks_faults(policy: Policy) -> Iterator[str]:
    looks = policy.looks
    if not looks or any(later <= earlier for earlier, later in itertools.pairwise(looks)) or looks[0] < 2:
        yield f"looks = {list(looks)} must rise and begin at 2 or more pairs, as [12, 16, 20, 24, 30]"
        return
    if policy.min_pairs < 2:
        yield f"min_pairs = {policy.min_pairs} must be at least 2: one pair has no standard error"
    for field in ("min_pairs", "pass_from"):
        if getattr(policy, field) > looks[-1]:
            yield (
                f"looks = {list(looks)} end before {field} = {getattr(policy, field)} pairs are there, so no verdict could "
                f'be given; let them go on to {getattr(policy, field)} or more, or take policy = "quick"'
            )
    if 0 <= policy.trim < 0.5 and looks[-1] - 2 * math.floor(policy.trim * looks[-1]) < 3:
        yield f"trim = {policy.trim} leaves fewer than 3 of {looks[-1]} pairs; trim at most 0.25"


def _starts_faults(policy: Policy) -> Iterator[str]:
    starts, looks = policy.starts, policy.looks
    if starts != 0 and starts < LEAST_STARTS:
        yield (
            f"starts = {starts} must be 0 (a fresh process for each pair) or {LEAST_STARTS} and more: fewer processes say "
            "nothing of a build; 5 or 10 are usual"
        )
    elif starts and looks and 2 * starts > looks[-1]:
        yield (
            f"starts = {starts} leaves fewer than two of {looks[-1]} pairs to a process, so what varies inside one could "
            f"not be told; set it to {looks[-1] // 2} at most, or to 0 for a fresh process for each pair"
        )
    elif starts and looks and any(look % (looks[-1] / starts) for look in looks):
        yield f"looks = {list(looks)} must be whole numbers of processes: {starts} of them serve {looks[-1]} pairs"


def _time_faults(policy: Policy) -> Iterator[str]:
    if policy.slice_ns <= 0:
        yield f"slice_ms = {policy.slice_ns / NS_PER_MS:g} must be above 0"
    if policy.measured_ns < policy.slice_ns:
        yield (
            f"measured_seconds = {policy.measured_ns / NS_PER_S:g} must hold at least one slice of "
            f"{policy.slice_ns / NS_PER_MS:g} ms"
        )
    for field, key in (("warmup_ns", "warmup_seconds"), ("floor_ns", "floor_ms")):
        if getattr(policy, field) < 0:
            yield f"{key} must be a number that is not negative"


def _generator_faults(policy: Policy) -> Iterator[str]:
    if policy.max_lag_p99_ns <= 0:
        yield "max_lag_p99_ms must be above 0"
    if policy.max_gc_pause_ns < 0:
        yield "max_gc_pause_ms must be 0 (no collection in a slice) or above"
    if policy.agent_loss not in ("invalid", "continue"):
        yield f"agent_loss = {policy.agent_loss!r} must be invalid or continue"
    if policy.max_start_spread_ns <= 0:
        yield "max_start_spread_ms must be above 0"
    if policy.start_spread not in ("warn", "invalid"):
        yield f"start_spread = {policy.start_spread!r} must be warn or invalid"
    for field, usual in (("max_worker_cpu", 0.9), ("max_core_wait", 0.05), ("max_steal", 0.05)):
        value = getattr(policy, field)
        if not 0 < value <= 1:
            yield f"{field} = {value} must be a share above 0 and at most 1 (1 switches it off); {usual} is the standard"
    if not 0 < policy.min_offered <= 1:
        yield f"min_offered = {policy.min_offered} must lie above 0 and be at most 1"
