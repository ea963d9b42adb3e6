"""Which policy a command means: one by name, one in a file, or the scenario's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perfgate.errors import InputError
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import POLICIES, policy_for
from perfgate.scenario.gate_file import load_gate
from perfgate.units import NS_PER_S, format_duration


def choose_policy(gate: Mapping[str, Any], wanted: str | None = None, **overrides: Any) -> Policy:
    """wanted: what --policy says, a name or a file; None: the scenario's `[gate]`. A policy that is asked for is meant as
    it is, so the scenario's settings count only where it names the same one. Raises InputError."""
    settings, name = policy_settings(gate, wanted)
    try:
        return policy_for(settings, name, **overrides)
    except InputError as error:
        if wanted is None or wanted in POLICIES:
            raise
        raise InputError(f"{wanted}: {str(error).removeprefix('gate: ')}") from None


def policy_settings(gate: Mapping[str, Any], wanted: str | None) -> tuple[Mapping[str, Any], str | None]:
    """What `policy_for` is to be given: settings, and the name if one was asked for. Raises InputError."""
    if wanted is None or wanted in POLICIES:
        return gate, wanted
    path = Path(wanted)
    if not path.suffix and not path.exists():
        raise InputError(
            f"--policy {wanted!r} does not exist; write {', '.join(POLICIES)}, or a TOML file of its settings"
        )
    return load_gate(path), None


def check_time(policy: Policy, limit_ns: int | None) -> None:
    """Raises InputError where the time limit cannot hold the pairs that a PASS needs, however quickly stores start: the
    loaded time alone is counted."""
    if limit_ns is None:
        return
    both = 1 if policy.mode == "duet" else 2
    pair_ns = both * (policy.warmup_ns + policy.measured_ns)
    needed = max(policy.pass_from, policy.min_pairs)
    if needed * pair_ns > limit_ns:
        raise InputError(
            f"--time-limit {format_duration(limit_ns)} holds {limit_ns // pair_ns} pairs of {pair_ns / NS_PER_S:g} s, but no "
            f"PASS can be given before {needed} pairs ({format_duration(needed * pair_ns)} and the starts); allow more "
            'time, lower gate.measured_seconds, or take policy = "quick"'
        )
