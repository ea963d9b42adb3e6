"""Counts on paired requests."""

from __future__ import annotations


def mcnemar_above(only_candidate: int, only_base: int) -> float:
    """One-sided exact p that requests which failed in one arm alone fell on the candidate by chance.

    only_candidate, only_base: pairs of replayed requests of which just that arm's failed. Under the null each is as
    likely, so the first is binomial(n, 1/2). Source: McNemar (1947), Psychometrika 12; exact form.
    """
    from scipy.special import betainc

    total = only_candidate + only_base
    if only_candidate <= 0:
        return 1.0
    # P(X >= k) for X ~ binomial(n, 1/2) is the regularised incomplete beta function I_{1/2}(k, n - k + 1).
    return float(betainc(only_candidate, total - only_candidate + 1, 0.5))
