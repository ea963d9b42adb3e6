"""What the numbers say about the conditions they were taken under."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def lag1_correlation(values: ArrayLike) -> float | None:
    """Correlation of neighbours in time (Box and Jenkins 1970, r_1); None for fewer than 4 values or none that differ."""
    data = np.asarray(values, dtype=np.float64)
    if len(data) < 4:
        return None
    centred = data - data.mean()
    power = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / power if power > 0 else None


def order_effect(values: ArrayLike, candidate_first: ArrayLike) -> float | None:
    """Mean of the values where the candidate came first minus the mean of the others; None where one is missing."""
    data, first = np.asarray(values, dtype=np.float64), np.asarray(candidate_first, dtype=np.bool_)
    if not first.any() or first.all():
        return None
    return float(data[first].mean() - data[~first].mean())
