"""What `gate` and `plan` take from a host profile: `--profile`, `--no-profile`, the trim, and the line that says so."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate.calibration.choose import Choice
    from perfgate.gate.policy import Policy
    from perfgate.scenario.model import Scenario


def add_profile_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--profile", type=Path, default=None, metavar="FILE",
        help="the host profile (default: where perfgate calibrate wrote it)",
    )  # fmt: skip
    which.add_argument(
        "--no-profile", action="store_true", help="go by the policy alone, whatever this host was calibrated to"
    )


def calibrated(
    arguments: argparse.Namespace, scenario: Scenario, target: str, policy: Policy, environment: Mapping[str, str]
) -> tuple[Policy, Choice]:
    """The policy with the trim of the profile that fits, before anything is measured, and that choice.

    environment: of the agent that hosts the stores. Raises InputError where --profile names no profile.
    """
    from perfgate.calibration.choose import Choice, choose_profile, fix_trim

    if arguments.no_profile:
        return policy, Choice()
    choice = choose_profile(scenario, target, policy, environment, datetime.now(UTC), arguments.profile)
    return fix_trim(policy, scenario, choice.profile), choice


def calibrated_here(arguments: argparse.Namespace, scenario: Scenario, policy: Policy) -> tuple[Policy, Choice]:
    """`calibrated` for a plan, which knows no target: the newest profile of this scenario and policy, made here."""
    import dataclasses

    from perfgate_agent.environment import describe_environment

    from perfgate.calibration.choose import Choice, nearby, policy_label
    from perfgate.calibration.profile_file import read_profile
    from perfgate.errors import InputError

    if arguments.no_profile:
        return policy, Choice()
    paths = [arguments.profile] if arguments.profile else nearby(scenario, policy_label(policy))[:1]
    if not paths:
        return policy, Choice()
    try:
        target = read_profile(paths[0]).target
    except InputError as error:
        if arguments.profile:
            raise
        return policy, Choice(note=f"host profile ignored: {error}")
    asked = argparse.Namespace(profile=paths[0], no_profile=False)
    policy, choice = calibrated(asked, scenario, target, policy, describe_environment())
    return policy, dataclasses.replace(
        choice, note=f"{choice.note} (target {target})" if choice.profile else choice.note
    )
