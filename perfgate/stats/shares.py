"""How far a share can be from what was counted."""

from __future__ import annotations


def clopper_pearson(events: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact one-sided bounds of a share, each with `confidence`: (lower, upper).

    Source: Clopper, C. J., Pearson, E. S. (1934), The use of confidence or fiducial limits, Biometrika 26. Raises
    ValueError for counts that cannot be.
    """
    from scipy.special import betaincinv

    if not 0 <= events <= trials or trials < 1:
        raise ValueError(f"{events} events in {trials} trials cannot be")
    lower = 0.0 if events == 0 else float(betaincinv(events, trials - events + 1, 1 - confidence))
    upper = 1.0 if events == trials else float(betaincinv(events + 1, trials - events, confidence))
    return lower, upper
