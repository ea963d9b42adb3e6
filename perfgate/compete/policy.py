"""Every number that a competition depends on, each with the reason for its default."""

from __future__ import annotations

from dataclasses import dataclass, fields

from perfgate.errors import InputError
from perfgate.gate.sessions import LEAST_SESSIONS

STATISTICS = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class CompetePolicy:
    """Fractions are fractions (0.1 is 10 %). See docs/compete.md."""

    recall: float = 0.95  # where latencies are compared: what most users of approximate search ask for
    primary: str = "p95"  # the quantile that is judged: 3 s of a search hold too few requests for a steady p99
    margin: float = 0.10  # the mission's competitive limit
    alpha: float = 0.05  # of blocking a true loss of exactly the margin, over all competitors and operations together
    confidence: float = 0.95  # of the interval that says who is faster today
    least_sessions: int = LEAST_SESSIONS  # stored ones, before which there is no verdict about a loss
    most_sessions: int = 12  # the newest ones count: a quarter of a year, if one runs every week
    min_rounds: int = 6  # fewer say too little about their own spread
    max_rounds: int = 20
    precision: float = 0.03  # rounds go on until each judged ratio is known so well (half of its 90 % interval)
    trim: float = 0.20  # of the rounds at each end: a burst on the host hits one store of a round
    measured_ns: int = 3_000_000_000  # a value of the search parameter, store and round
    slice_ns: int = 250_000_000  # of which a value's measurement is made up, store by store in turn; 0: in one piece
    slice_settle_ns: int = 100_000_000  # discarded of each: what a paused store had put off
    slice_trim: float = 0.30  # of the couples of slices at each end, as the gate does: bursts hit single slices
    group_requests: int = 60  # neighbouring slices are read together until they hold so many: a p95 is one of three
    settle_ns: int = 300_000_000  # discarded before each value: pools, caches, the load taking hold
    warmup_ns: int = 1_000_000_000  # a window of warm-up
    warmup_windows: int = 10  # at most
    stable: float = 0.15  # two windows whose medians differ by less: warm
    max_failed: float = 0.01  # of the requests: beyond it latencies say nothing
    p99_limit_ns: int = 0  # of the throughput search; 0: none is made
    rate_precision: float = 0.05  # how much higher the next rate is that is tried
    rate_rounds: int = 5  # of the throughput search
    trial_ns: int = 2_000_000_000
    memory_bytes: int = 0  # what a store may hold resident; 0: no limit
    keep_loading: bool = False  # each target's own batch and connections while loading, instead of what all can do

    @property
    def warmup_most_ns(self) -> int:
        """After which a store that is not steady yet is measured all the same."""
        return self.warmup_ns * self.warmup_windows


def check_policy(policy: CompetePolicy) -> None:
    """Raises InputError naming field, value and remedy."""
    bounds = {
        "recall": (0, 1), "margin": (0, 1), "alpha": (0, 0.5), "confidence": (0.5, 1), "precision": (0, 1), "stable": (0, 10),
        "rate_precision": (0.001, 1), "max_failed": (0, 1),
    }  # fmt: skip
    for name, (low, high) in bounds.items():
        value = getattr(policy, name)
        if not (low < value < high or (name == "recall" and value == 1)):
            raise InputError(f"{name} = {value:g}: give a number between {low:g} and {high:g}")
    if policy.primary not in STATISTICS:
        raise InputError(f"primary = {policy.primary!r}: give one of {', '.join(STATISTICS)}")
    if not 3 <= policy.min_rounds <= policy.max_rounds:
        raise InputError(
            f"rounds = {policy.min_rounds} to {policy.max_rounds}: at least 3 are needed to know their spread, and the most "
            "not fewer than the least"
        )
    if policy.least_sessions < 2 or policy.most_sessions < policy.least_sessions:
        raise InputError(
            f"sessions = {policy.least_sessions} to {policy.most_sessions}: at least 2, and the most not fewer than the least"
        )
    if 0 < policy.slice_ns < 100_000_000:
        raise InputError("slice = less than 100 ms: a quantile needs requests; 0 measures stores in turns of one piece")
    for field in fields(policy):
        if field.name.endswith("_ns") and getattr(policy, field.name) < 0:
            raise InputError(f"{field.name} = {getattr(policy, field.name)}: give a time that is not negative")
    if policy.measured_ns < 100_000_000:
        raise InputError("measured = less than 100 ms: a quantile needs requests")
