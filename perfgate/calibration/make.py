"""From the pairs of a calibration to a host's profile."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from perfgate.calibration.components import HEAVY_TRIM, components, tail_gains, tails_are_heavy
from perfgate.calibration.digest import noise_digest
from perfgate.calibration.leak import Leak
from perfgate.calibration.profile import VALID_DAYS, Component, HostProfile, Recommended
from perfgate.calibration.resample import false_alarm, predictions
from perfgate.calibration.restarts import spread_together, with_shared_starts
from perfgate.gate.latency import latency_table
from perfgate.gate.outlook import seen
from perfgate.gate.pair_effect import pair_effects
from perfgate.gate.policy import Policy
from perfgate.gate.restarts import by_start, start_numbers
from perfgate.gate.starts import log_medians
from perfgate.gate.validity import usable_pairs
from perfgate.histogram import Histogram
from perfgate.operation import Operation
from perfgate.pair import Pair
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm
from perfgate.units import NS_PER_MS

LEAST_PAIRS = 8
"""Usable pairs under which there is no profile: their sd would be known to no better than a factor of two."""
MOST_PAIRS = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """A/A pairs and the circumstances under which they came about. pair_ns: what one took on the clock."""

    pairs: tuple[Pair, ...]
    host: Mapping[str, str]
    target: str
    variant: str
    scenario: Scenario
    policy: Policy
    slice_ns: int
    pair_ns: int

    @property
    def usable(self) -> int:
        """How many of the pairs count."""
        return len(usable_pairs(self.pairs))


def make_profile(
    measured: Measured, made_at: datetime, seed: int, days: float = VALID_DAYS,
    tick: Callable[[float], None] = lambda share: None, leak: Leak | None = None,
) -> HostProfile:  # fmt: skip
    """The same pairs and seed give the same profile. leak: where it was measured, in a duet.

    Raises ValueError for fewer than LEAST_PAIRS usable pairs."""
    policy, operations = measured.policy, tuple(measured.scenario.weights)
    usable = usable_pairs(measured.pairs)
    if len(usable) < LEAST_PAIRS:
        raise ValueError(f"{len(usable)} usable pairs are fewer than {LEAST_PAIRS}")
    found = pair_effects(usable, policy, operations)
    gains = tail_gains(found, policy)
    trim = HEAVY_TRIM if tails_are_heavy(gains, policy) else policy.trim
    # Pairs are drawn one by one, as if each had processes of its own: what is predicted is such a gate.
    judged = dataclasses.replace(policy, trim=trim, starts=0)
    parts = components(found, gains, trim)
    shared = start_numbers(usable) if policy.starts else None
    if shared is not None:
        parts = with_shared_starts(parts, found, shared, trim)
    predicted = predictions(latency_table(found), log_medians(usable, operations), judged, operations, seed, tick)
    return HostProfile(
        host=measured.host,
        target=measured.target,
        variant=measured.variant,
        scenario=measured.scenario.name,
        scenario_digest=noise_digest(measured.scenario),
        policy=policy.name,
        slice_ns=measured.slice_ns,
        measured_ns=policy.measured_ns,
        group_requests=policy.group_requests,
        pairs=len(usable),
        starts=2 * len(by_start(usable)),
        pair_ns=measured.pair_ns,
        made_at=made_at,
        expires_at=made_at + timedelta(days=days),
        components=parts,
        false_alarm=false_alarm(predicted[0]),
        predictions=predicted,
        recommended=Recommended(
            mode="duet" if leak and policy.mode == "duet" and leak.upper <= policy.max_leak else "alternation",
            slice_ms=_slice_ns(usable, operations, judged, measured.slice_ns) / NS_PER_MS,
            pairs=pairs_needed(parts, judged, len(operations)),
            trim=trim,
        ),
        leak=leak.share if leak else None,
        leak_upper=leak.upper if leak else None,
        mode=policy.mode,
        together=spread_together(found, shared, trim) if shared is not None else {},
    )


def pairs_needed(parts: Sequence[Component], policy: Policy, operations: int) -> int:
    """The first of the policy's looks at which a PASS may be given and a primary quantile that is worse by
    `operation_margin_factor` margins (what no single operation may hide) is blocked in 4 gates of 5; beyond the last look
    the number that would do, MOST_PAIRS at most."""
    wanted = policy.margin * policy.operation_margin_factor
    noise = max((part.trimmed_sd for part in parts if part.statistic == policy.primary), default=math.inf)
    looks = [look for look in policy.looks if look >= max(policy.pass_from, policy.min_pairs)] or [policy.looks[-1]]
    candidates = (*looks, *range(looks[-1] + 1, MOST_PAIRS))
    return next((pairs for pairs in candidates if seen(policy, noise, operations, pairs) <= wanted), MOST_PAIRS)


def _slice_ns(pairs: Sequence[Pair], operations: Sequence[Operation], policy: Policy, used_ns: int) -> int:
    """As long as it was, or longer where the slowest operation's p99 asks for it: the rest of a slow reply must not
    spill into the other build's slice. Never shorter: the scenario's rate and limits asked for what was used."""
    p99s = []
    for operation in operations:
        parts = [
            part
            for pair in pairs
            for couple in pair.usable
            for arm in Arm
            if (part := couple.arm(arm).operations.get(operation))
        ]
        pooled = Histogram.merge([part.response for part in parts])
        p99s.append(pooled.quantile(0.99) if pooled.total else 0.0)
    asked = math.ceil(policy.slice_min_p99s * max(p99s) / NS_PER_MS) * NS_PER_MS
    return int(min(max(used_ns, asked), max(used_ns, policy.measured_ns // 2)))
