"""What became of one metric: the estimate over pairs and everything a report says about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from perfgate.operation import Operation


class Finding(StrEnum):
    """What the metric says by itself."""

    REGRESSED = "regressed"  # blocks
    IMPROVED = "improved"  # better with the confidence that a block would need
    CLEAR = "clear"  # no worse than its margin, with confidence
    OPEN = "open"  # neither


@dataclass(frozen=True, slots=True)
class Effect:
    """One metric of one comparison, on the scale where positive is worse.

    statistic: p50, p95, p99, errors or recall; operation None is the mean over operations (primary for PASS).
    Latency metrics are log ratios candidate / base; errors and recall are differences of shares.
    lower, upper: the repeated confidence interval that belongs to the block test; pass_upper: the bound of the PASS
    test. None where fewer than two pairs are there. per_pair: the value of each usable pair, in order.
    base_ns, candidate_ns: quantiles of the pooled samples (0 for errors and recall, where base and candidate shares
    are in base_share, candidate_share). detectable_80, detectable_99: the true effect that would be blocked with 80
    and 99 % power at this standard error and the last look.
    """

    statistic: str
    operation: Operation | None
    primary: bool
    finding: Finding
    estimate: float
    se: float
    df: float
    lower: float | None
    upper: float | None
    pass_upper: float | None
    p_nominal: float | None
    p_adjusted: float | None
    margin: float
    detectable_80: float | None
    detectable_99: float | None
    per_pair: tuple[float, ...]
    base_ns: float = 0.0
    candidate_ns: float = 0.0
    pooled_ratio: float | None = None
    base_share: float | None = None
    candidate_share: float | None = None
    lag1: float | None = None
    order_effect: float | None = None
    note: str = ""
    starts_p: float | None = None
    """Where processes serve several pairs: p that they differ no more than the calibration says."""

    @property
    def name(self) -> str:
        """`embedding_search p99`."""
        return f"{self.operation.value if self.operation else 'all operations'} {self.statistic}"
