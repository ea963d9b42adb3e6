"""How couples of processes differ; by itself, since a host profile holds it and needs no numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoupleSpread:
    """How a calibration's couples of processes differ. variance: of their means; df: couples less 1. within: what their pairs
    explain of it, s_within² (mean of 1/h), with within_df. kept: pairs left of a couple by trimming, 1 / (mean of 1/h).
    trim: the share at each end. Raises ValueError for figures that cannot be."""

    variance: float
    df: int
    within: float
    within_df: int
    kept: float
    trim: float

    def __post_init__(self) -> None:
        known = math.isfinite(self.variance) and math.isfinite(self.within) and min(self.variance, self.within) >= 0
        if not (known and min(self.df, self.within_df) >= 1 and self.kept > 0 and 0 <= self.trim < 0.5):
            raise ValueError(f"{self} cannot be")
