"""Which profile a gate or a plan goes by, and one line that says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from perfgate.calibration.digest import noise_digest
from perfgate.calibration.host import identity
from perfgate.calibration.profile import HostProfile
from perfgate.calibration.profile_file import DIRECTORY, default_path, misfit, read_profile
from perfgate.errors import InputError
from perfgate.gate.policy import Policy
from perfgate.scenario.model import Scenario


@dataclass(frozen=True, slots=True)
class Choice:
    """note: what to tell; empty where there is no profile and none was asked for."""

    profile: HostProfile | None = None
    note: str = ""


def choose_profile(
    scenario: Scenario, target: str, policy: Policy, environment: Mapping[str, str], now: datetime,
    wanted: Path | None = None,
) -> Choice:  # fmt: skip
    """The profile at `wanted`, or at its usual place. One that does not fit, or cannot be read, is pointed out and not
    used. environment: of the agent that hosts the stores. Raises InputError only where `wanted` cannot be read."""
    path = wanted or default_path(target, scenario, policy_label(policy))
    if wanted is None and not path.exists():
        return Choice()
    try:
        profile = read_profile(path)
    except InputError as error:
        if wanted is not None:
            raise
        return Choice(note=f"host profile ignored: {error}")
    why = misfit(profile, identity(environment), target, scenario, now) or policy_misfit(profile, policy)
    if why:
        return Choice(note=f"host profile {path} ignored: {why}")
    return Choice(profile, describe_profile(profile, policy, now))


def policy_label(policy: Policy) -> str:
    """Names the profiles of a policy: `standard`, `quick`, `standard-duet`."""
    return policy.name if policy.mode == "alternation" else f"{policy.name}-{policy.mode}"


def policy_misfit(profile: HostProfile, policy: Policy) -> str:
    """Why the noise of a profile is not that of this policy's pairs; empty where it is."""
    for name, there, here in (
        ("policy", profile.policy, policy.name),
        ("mode", profile.mode, policy.mode),
        ("measured time a pair", profile.measured_ns, policy.measured_ns),
        ("group_requests", profile.group_requests, policy.group_requests),
    ):
        if there != here:
            return f"it was made with another {name} ({there}, here {here}); run perfgate calibrate again"
    return ""


def fix_trim(policy: Policy, scenario: Scenario, profile: HostProfile | None) -> Policy:
    """The policy with the trim that the calibration recommends, unless the scenario says one itself."""
    if profile is None or "trim" in scenario.gate:
        return policy
    return dataclasses.replace(policy, trim=profile.recommended.trim)


def describe_profile(profile: HostProfile, policy: Policy, now: datetime) -> str:
    """`calibrated 3 days ago on this host: 24 pairs, one pair's p95 differs by 2.1 % (store) to 3.4 % (recall); …`"""
    noise = sorted(
        (part.trimmed_sd, part.operation.value) for part in profile.components if part.statistic == policy.primary
    )
    spread = (
        f"a pair's {policy.primary} varies by {100 * noise[0][0]:.1f} to {100 * noise[-1][0]:.1f} %; " if noise else ""
    )
    return (
        f"calibrated {age(profile, now)} on this host: {profile.pairs} pairs; {spread}{100 * profile.recommended.trim:g} % "
        f"trimmed at each end; valid until {profile.expires_at:%Y-%m-%d}"
    )


def age(profile: HostProfile, now: datetime) -> str:
    """`today`, `yesterday` or `3 days ago`."""
    days = (now - profile.made_at).days
    return "today" if days < 1 else "yesterday" if days == 1 else f"{days} days ago"


def nearby(scenario: Scenario, policy: str) -> list[Path]:
    """Profiles of any target for this scenario and policy, the newest first: for a plan, which knows no target."""
    here = DIRECTORY.glob(f"*-{policy}-{noise_digest(scenario)}.json")
    return sorted(here, key=lambda path: -path.stat().st_mtime)
