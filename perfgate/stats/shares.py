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


def trials_needed(events: int, share: float, confidence: float = 0.95) -> int:
    """The fewest trials, `events` of them with the event, that prove with `confidence` that it is no more frequent than
    `share`: the least n whose Clopper-Pearson upper bound is at most `share`.

    It falls as trials are added, so bisection finds it. 2 % takes 149, 236, 313 trials with 0, 1, 2 events. Raises
    ValueError for a share or a confidence outside (0, 1), and for a negative count.
    """
    if events < 0 or not 0 < share < 1 or not 0 < confidence < 1:
        raise ValueError(f"{events} events, a share of {share} and a confidence of {confidence} cannot be")
    low, high = events, events + 1  # all events: an upper bound of 1, which proves nothing
    while clopper_pearson(events, high, confidence)[1] > share:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if clopper_pearson(events, middle, confidence)[1] > share:
            low = middle
        else:
            high = middle
    return high
