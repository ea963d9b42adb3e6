"""The policy: every number the decision rule depends on, each with the reason for its default."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """What the gate decides by. See docs/statistics.md for the rule itself. Fractions are fractions (0.05 is 5 %)."""

    name: str = "standard"
    margin: float = 0.05  # the mission's internal limit
    competitive: bool = False  # True: margin 10 %, BLOCK exits with 2
    floor_ns: int = 0  # absolute difference that does not matter; for stores so fast that the margin is a few µs
    looks: tuple[int, ...] = (12, 16, 20, 24, 30)  # pairs after which the rule is asked
    pass_from: int = 20  # no PASS on fewer pairs
    alpha_block: float = 0.005  # false BLOCKs over the whole family and all looks: far under the 2 % promised
    primary: str = "p99"  # the quantile that decides PASS and owns most of the error: what users complain about
    primary_share: float = 0.8  # of alpha_block for the operations' primary quantiles, the rest for the other two
    alpha_quality: float = 0.001  # each for errors and recall@k
    alpha_pass: float = 0.05  # a regression of exactly the margin passes at most this often
    operation_margin_factor: float = 1.6  # a single operation's primary quantile for PASS: margin x this
    group_keeps: float = 0.94  # of a change of the true quantile as groups show it: PASS reckons with what they hide
    trim: float = 0.10  # of the pairs on each side; 0.25 on hosts calibrated as heavy-tailed
    couple_trim: float = 0.20  # of a pair's couples on each side: bursts spoil single slices
    slice_ns: int = 250_000_000  # the shorter the better: interference comes in bursts of seconds
    slice_min_requests: int = 200  # a shorter slice has no p99 worth the name
    slice_min_p99s: int = 20  # the rest of a slow reply must not spill into the other arm's slice
    group_requests: int = 400  # couples are joined until an arm has so many: fewer understate how far a p99 moved
    warmup_ns: int = 1_000_000_000  # discarded an arm and pair: caches, branch predictors, pools
    measured_ns: int = 9_000_000_000  # an arm and pair
    error_margin: float = 0.001  # share of requests
    recall_margin: float = 0.005  # recall@k
    max_lag_p99_ns: int = 1_000_000  # the generator's own error beyond which a measurement says nothing
    max_worker_cpu: float = 0.90  # of a worker's core: beyond it replies wait to be read, which no lag shows
    max_core_wait: float = 0.05  # of the time a worker may be ready without a core: it adds to latencies as lag does
    max_steal: float = 0.05  # of processor time taken by the hypervisor: the store's slowness is then the neighbours'
    max_gc_pause_ns: int = 0  # the longest collection in a slice: workers put them off, so one is a fault
    min_offered: float = 0.99  # share of the due requests that the generator must have sent
    min_pairs: int = 12  # usable pairs under which no verdict but INVALID is given
    inconclusive: str = "warn"  # or "block": what CI does with an undecided run
    agent_loss: str = "invalid"  # or "continue": with the other agents, where they can take over
    max_start_spread_ns: int = 20_000_000  # between agents: as much as a busy host's scheduler, less than any slice
    start_spread: str = "warn"  # or "invalid": what a larger one means
    mode: str = "alternation"  # works on every host; "duet", both at once, only where they hardly disturb each other
    max_leak: float = 0.10  # of a slowdown that may show in the other build in a duet: as much of it is hidden
    starts: int = (
        0  # a fresh process for each pair; m: so many a build serve all pairs, where each takes a minute to load
    )

    @property
    def pairs_a_start(self) -> int:
        """How many pairs a process serves."""
        return self.looks[-1] // self.starts if self.starts else 1

    def margin_at(self, base_ns: float) -> float:
        """The change that matters to a latency of base_ns, a fraction: the margin, or the absolute floor where that is
        more. 0 ns: unknown, so the margin alone."""
        return max(self.margin, self.floor_ns / base_ns) if base_ns > 0 else self.margin

    @property
    def shows(self) -> float:
        """How much of a true change the estimate shows, at the least, as a share of its log: groups hide some, and in a
        duet as much again may leak into the other build as is allowed."""
        return self.group_keeps * (1 - self.max_leak if self.mode == "duet" else 1.0)

    def pass_margin(self, change: float) -> float:
        """What the estimate shows of a true change, a fraction: a PASS that rules out more than `change` must rule out
        more than this."""
        return math.expm1(self.shows * math.log1p(change))
