"""Commits at which a metric jumped: candidates by PELT of the library ruptures, kept where the errors leave no other way.

PELT (Killick, Fearnhead and Eckley 2012, JASA 107) looks for jumps of a mean in independent noise. Levels that hang on a
chain of gates share errors and wander like a random walk, in which it sees jumps that are none; and a creep looks to it
like a staircase. So its candidates are fitted together, beside a line, with all covariances, and the least certain is
dropped until each that is left is beyond doubt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from perfgate.errors import InputError
from perfgate.stats.student import t_bound
from perfgate.trend.network import Floats
from perfgate.trend.series import MONTH_NS, Series, fit

LEVEL = 0.01
"""That a series without a jump shows one, two-sided, shared by its points."""
LEAST = 6
PENALTY = 2.0
"""Of log n variances for another jump: generous, since what is found is only a candidate."""


@dataclass(frozen=True, slots=True)
class Change:
    """The first commit with it. step: log ratio, with a two-sided interval of 95 %."""

    commit: str
    at_ns: float
    step: float
    lower: float
    upper: float


def change_points(series: Series) -> list[Change]:
    """In the order of time. Raises InputError where ruptures is not installed."""
    if len(series) < LEAST:
        return []
    places = _candidates(series)
    while places:
        fitted, errors, free = _steps(series, places)
        certain = np.abs(fitted) / errors
        worst = int(np.argmin(certain))
        if certain[worst] > t_bound(LEVEL / 2 / len(series), free):
            reach = t_bound(0.025, free) * errors
            return [
                Change(
                    series.commits[place],
                    float(series.times_ns[place]),
                    float(step),
                    float(step - half),
                    float(step + half),
                )
                for place, step, half in zip(places, fitted, reach, strict=True)
            ]
        del places[worst]
    return []


def load_ruptures() -> Any:
    """The library. Raises InputError where it is missing."""
    try:
        import ruptures
    except ImportError as error:
        raise InputError(
            "change points need the library ruptures: pip install 'perfgate[trend]'; or leave them away with "
            "--no-change-points"
        ) from error
    return ruptures


def _candidates(series: Series) -> list[int]:
    """Places of the first point after each jump."""
    variance = _neighbour_variance(series.covariance)
    scaled = (series.values / math.sqrt(variance)).reshape(-1, 1)
    found = (
        load_ruptures().Pelt(model="l2", min_size=2, jump=1).fit(scaled).predict(pen=PENALTY * math.log(len(series)))
    )
    return [place for place in found if place < len(series)][: len(series) // 3]


def _neighbour_variance(covariance: Floats) -> float:
    """Of a value beside its neighbours: half the variance of their difference, in the middle of all."""
    variances = np.diag(covariance)
    return float(np.median(variances[1:] + variances[:-1] - 2 * np.diag(covariance, 1))) / 2


def _steps(series: Series, places: list[int]) -> tuple[Floats, Floats, float]:
    """(steps, standard errors, degrees of freedom), fitted together with a level and a line."""
    number = np.arange(len(series))
    months = (series.times_ns - series.times_ns[0]) / MONTH_NS
    design = np.column_stack([np.ones(len(series)), months, *(number >= place for place in places)]).astype(np.float64)
    fitted, covariance = fit(design, series)
    return fitted[2:], np.sqrt(np.diag(covariance)[2:]), float(len(series) - design.shape[1])
