"""Whether a gate may load both builds at once: only where a calibration of this host has shown that little leaks."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from perfgate.calibration.choose import choose_profile, policy_label
from perfgate.calibration.profile import HostProfile
from perfgate.calibration.profile_file import default_path
from perfgate.errors import InputError
from perfgate.gate.policy import Policy
from perfgate.report.words import short_percent
from perfgate.scenario.model import Scenario


def require_little_leak(
    scenario: Scenario, target: str, policy: Policy, environment: Mapping[str, str], now: datetime,
    wanted: Path | None = None,
) -> HostProfile | None:  # fmt: skip
    """The profile that allows a duet; None where none is asked for, in alternation. environment: of the agent that hosts
    the stores. wanted: the profile's file, if not its usual place. Raises InputError naming what is missing, and the
    remedy."""
    if policy.mode != "duet":
        return None
    choice = choose_profile(scenario, target, policy, environment, now, wanted)
    if choice.profile is None:
        path = wanted or default_path(target, scenario, policy_label(policy))
        raise InputError(_refusal(choice.note or f"there is no host profile {path}", policy))
    profile = choice.profile
    if profile.leak is None or profile.leak_upper is None:
        raise InputError(_refusal("the host profile was made without --leak-variant", policy))
    if profile.leak_upper > policy.max_leak:
        raise InputError(_too_leaky(profile.leak, profile.leak_upper, policy))
    return profile


def _refusal(why: str, policy: Policy) -> str:
    command = shlex.join(
        ["perfgate", "calibrate", "SCENARIO", "--target", "FILE", "--mode", "duet", "--policy", policy.name]
    )
    return (
        f'mode = "duet" loads both builds at once, which needs proof that they hardly disturb each other: {why}; make it '
        f'with `{command} --leak-variant SLOWER_VARIANT`, or set mode = "alternation"'
    )


def _too_leaky(leak: float, upper: float, policy: Policy) -> str:
    limit = short_percent(policy.max_leak)
    text = f'mode = "duet" is not for this host: {short_percent(leak)} of a slowdown of one build reaches the other'
    if leak <= policy.max_leak:
        return (
            f"{text}, and it may be up to {short_percent(upper)} (at most {limit} must be proven); calibrate again with more "
            '--leak-blocks or a slower --leak-variant, or set mode = "alternation"'
        )
    return (
        f'{text} (at most {limit} is allowed), and as much of a regression would be hidden; set mode = "alternation", or give '
        "the two stores processors of their own"
    )
