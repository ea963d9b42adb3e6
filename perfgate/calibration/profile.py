"""A host profile: what A/A pairs of one build, on one host, under one scenario, told about the noise there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from perfgate.operation import Operation
from perfgate.stats.couple_spread import CoupleSpread

VALID_DAYS = 30
"""Kernels, neighbours and firmware change within weeks; nothing measured a month ago should fix a threshold today."""


@dataclass(frozen=True, slots=True)
class Component:
    """The noise of one operation's quantile; all standard deviations are of logs (0.01 is about 1 %).

    restart_sd: of ONE process's level from start to start; two of them differ with sqrt(2) times that. restart_df: the
    degrees of freedom of its square. restart_upper: its one-sided 95 % bound. drift_sd, within_sd: what slow changes
    inside a pair, and sampling with short bursts, add to one PAIR's log ratio. pair_sd: of one pair's log ratio, all
    together (about sqrt(2 restart² + drift² + within²)), with two-sided 95 % bounds; robust_sd: the same by the median
    absolute deviation. trimmed_sd: sqrt(n) times the standard error of n pairs' trimmed mean, at the trim recommended:
    what decides how much a gate sees. heavy: whether the pairs' tails call for trimming a quarter. couples: how couples of
    processes differ, where they served several pairs each.
    """

    operation: Operation
    statistic: str
    restart_sd: float
    restart_df: float
    restart_upper: float
    drift_sd: float
    within_sd: float
    pair_sd: float
    pair_sd_lower: float
    pair_sd_upper: float
    robust_sd: float
    trimmed_sd: float
    heavy: bool
    couples: CoupleSpread | None = None


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """How often the gate blocks this build against itself: share of resampled gates, with its one-sided 95 % bounds.
    They hold what resampling leaves to chance, not that other pairs would have been drawn on another day."""

    share: float
    lower: float
    upper: float
    resamples: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the gate would say if it measured what the calibration did. change: the factor less 1 by which
    `operation`'s latencies were raised (0: the same build). Shares of resampled gates; pairs: used on average."""

    operation: Operation | None
    change: float
    block: float
    passed: float
    inconclusive: float
    pairs: float
    resamples: int


@dataclass(frozen=True, slots=True)
class Recommended:
    """mode: `alternation` or `duet`. trim: of the pairs at each end."""

    mode: str
    slice_ms: float
    pairs: int
    trim: float


@dataclass(frozen=True, slots=True)
class HostProfile:
    """host: what identifies the machine (`host.identity`). scenario: its name; scenario_digest: of what matters for noise
    (`digest.noise_digest`). variant: the build that was measured. policy: its name; slice_ns, measured_ns,
    group_requests: as they were. pairs: usable ones; starts: fresh processes in them; pair_ns: what one took on the clock,
    with starting. leak: the share of a delay of one build that reaches the other when both are loaded, leak_upper: its
    one-sided 95 % bound; None until that was measured. mode: of the pairs, `alternation` or `duet`. together: by statistic,
    how couples of processes that served several pairs differ in the mean over operations; empty where each pair had its own,
    and in profiles of an earlier perfgate."""

    host: Mapping[str, str]
    target: str
    variant: str
    scenario: str
    scenario_digest: str
    policy: str
    slice_ns: int
    measured_ns: int
    group_requests: int
    pairs: int
    starts: int
    pair_ns: int
    made_at: datetime
    expires_at: datetime
    components: tuple[Component, ...]
    false_alarm: FalseAlarm
    predictions: tuple[Prediction, ...]
    recommended: Recommended
    leak: float | None = None
    leak_upper: float | None = None
    mode: str = "alternation"
    together: Mapping[str, CoupleSpread] = field(default_factory=dict)

    def component(self, operation: Operation, statistic: str) -> Component | None:
        """None where that was not measured."""
        for one in self.components:
            if one.operation is operation and one.statistic == statistic:
                return one
        return None
