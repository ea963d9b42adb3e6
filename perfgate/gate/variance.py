"""Where the noise comes from."""

from __future__ import annotations

from perfgate.gate.pair_effect import STATISTICS, PairEffects
from perfgate.stats.variance import variance_split

P99 = STATISTICS.index("p99")


def variance_shares(found: PairEffects) -> tuple[tuple[str, float], ...]:
    """Shares of the variance of a pair's log p99 ratio, averaged over operations: restart, drift, within. Empty where
    it cannot be told."""
    series = [[effect.by_group[:, P99] for effect in effects if effect] for effects in found.values()]
    splits = [split for split in map(variance_split, series) if split is not None]
    total = sum(split.restart + split.drift + split.within for split in splits)
    if not total > 0:
        return ()
    return tuple(
        (source, float(sum(getattr(split, source) for split in splits) / total))
        for source in ("restart", "drift", "within")
    )
