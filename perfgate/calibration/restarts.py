"""What a gate whose processes serve several pairs borrows of a host profile."""

from __future__ import annotations

from collections.abc import Sequence

from perfgate.calibration.choose import Choice
from perfgate.calibration.profile import HostProfile
from perfgate.errors import InputError
from perfgate.gate.policy import Policy
from perfgate.gate.restarts import Restarts, uncalibrated
from perfgate.operation import Operation
from perfgate.stats.starts import RestartSpread


def restarts_of(profile: HostProfile) -> Restarts:
    """How much starts vary, by operation and quantile."""
    spreads = {
        (one.operation, one.statistic): RestartSpread(one.restart_sd, one.restart_df) for one in profile.components
    }
    return Restarts(profile.starts, spreads)


def require_restarts(policy: Policy, choice: Choice, operations: Sequence[Operation]) -> Restarts | None:
    """What the profile that was chosen knows of starts; None where each pair has processes of its own. Raises InputError
    where it must be known and is not: such a gate could only be INCONCLUSIVE, so it is refused before it starts."""
    if not policy.starts:
        return None
    restarts = restarts_of(choice.profile) if choice.profile else None
    if missing := uncalibrated(policy, restarts, operations):
        why = f" ({choice.note})" if choice.note and not choice.profile else ""
        raise InputError(
            f"gate.starts = {policy.starts}: this gate could only be INCONCLUSIVE: {missing.text}{why}; {missing.remedy}, "
            "or set starts = 0 for a fresh process for each pair"
        )
    return restarts
