"""Power curves: how often a change of each size is blocked, on each kind of host."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from perfgate.gate.policy import Policy
from perfgate.simulate.profile import Profile
from perfgate.simulate.rates import Rates
from perfgate.simulate.table import operating_characteristics
from perfgate.simulate.truth import Truth

CHANGES = (0.0, 0.025, 0.05, 0.075, 0.10, 0.125, 0.15, 0.20)


def change_of(change: float) -> Truth:
    """One operation whose true p99 is so much higher, as a fraction."""
    return Truth(f"one{1000 * change:g}permille", f"one operation +{100 * change:g} %", change)


def power_curves(
    policy: Policy, profiles: Sequence[Profile], runs: int, seed: int, rate: float,
    tick: Callable[[str, float], None] = lambda what, share: None, processes: int = 1,
) -> list[Rates]:  # fmt: skip
    """One Rates a profile and change, in that order: see `operating_characteristics`."""
    truths = [change_of(change) for change in CHANGES]
    return operating_characteristics(policy, profiles, truths, runs, seed, rate, tick, processes=processes)


def blocked(rates: Sequence[Rates]) -> dict[str, list[float]]:
    """The share of BLOCKs at each of CHANGES, by profile."""
    return {
        profile: [one.block / one.runs for one in rates if one.profile == profile]
        for profile in dict.fromkeys(one.profile for one in rates)
    }
