"""Sequential boundaries: how strict each look must be, so that all looks together keep the promised error."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

REACH = 8.0
MIN_POINTS = 401
POINTS_A_STEP = 12
MAX_POINTS = 4_001
PROBITS = tuple(float(z) for z in np.linspace(0.05, 6.8, 16))
"""Family errors (as z) at which a repeated p value is tabulated: from 0.48 to 5e-12."""

Density = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Points of the sum, and the density there times Simpson's weight."""


def obrien_fleming_spent(alpha: float, fraction: float) -> float:
    """One-sided error spent when `fraction` of the information is in: 2 (1 - Phi(z_{1 - alpha/2} / sqrt(fraction))).

    Source: Lan, K. K. G., DeMets, D. L. (1983), Discrete sequential boundaries for clinical trials, Biometrika 70:
    the spending function that resembles O'Brien and Fleming's boundary. Raises ValueError for an alpha that cannot be.
    """
    from scipy.special import ndtr, ndtri

    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha = {alpha} must lie between 0 and 0.5")
    if fraction <= 0:
        return 0.0
    return float(2 * ndtr(ndtri(alpha / 2) / math.sqrt(min(fraction, 1.0))))


@lru_cache(maxsize=4096)
def nominal_levels(alpha: float, fractions: tuple[float, ...]) -> tuple[float, ...]:
    """The one-sided p under which each look rejects, so that all looks together reject a true null at most as often as
    spending allows. fractions: information at each look, rising, the last at most 1.

    By numerical integration of the density of the sum that has not crossed yet (Armitage, McPherson and Rowe 1969, JRSS
    A 132; Jennison and Turnbull 2000, Group Sequential Methods, chapter 19), with Simpson's rule: between looks the sum
    gains a normal increment. Raises ValueError for fractions that do not rise.
    """
    from scipy.special import ndtr

    _check(fractions)
    levels: list[float] = []
    density: Density | None = None
    before, spent = 0.0, 0.0
    for fraction in fractions:
        target = obrien_fleming_spent(alpha, fraction) - spent
        step = math.sqrt(fraction - before)
        bound = _solve(target, fraction, density, step)
        levels.append(float(ndtr(-bound)))
        density = _advance(bound * math.sqrt(fraction), fraction, density, step)
        spent, before = spent + target, fraction
    return tuple(levels)


def looks_so_far(pairs: int, looks: Sequence[int]) -> tuple[float, ...]:
    """Information fractions of the looks up to and including one at `pairs`, which need not be a planned look."""
    most = looks[-1]
    taken = [look for look in looks if look < pairs]
    return tuple(min(1.0, look / most) for look in (*taken, pairs) if look <= most) or (1.0,)


def repeated_p(p_nominal: float, fractions: tuple[float, ...]) -> float:
    """The smallest error of all looks together at which a nominal one-sided p at the last of `fractions` rejects.

    Source: Jennison and Turnbull (2000), section 9.5, repeated p-values: valid whenever one stops. At most 1; values
    outside the tabulated range of errors (0.48 to 5e-12) are given as 1 and as the range's end.
    """
    from scipy.special import ndtr, ndtri

    if not p_nominal < 0.5:
        return 1.0
    nominal = _tabulated(fractions)
    z = float(-ndtri(max(p_nominal, 1e-300)))
    if z < nominal[0]:
        return 1.0
    return float(ndtr(-np.interp(z, nominal, PROBITS)))


@lru_cache(maxsize=256)
def _tabulated(fractions: tuple[float, ...]) -> tuple[float, ...]:
    """Nominal z at the last look for each of PROBITS: rising, nearly a straight line."""
    from scipy.special import ndtr, ndtri

    return tuple(float(-ndtri(max(1e-300, nominal_levels(float(ndtr(-z)), fractions)[-1]))) for z in PROBITS)


def _solve(target: float, fraction: float, density: Density | None, step: float) -> float:
    """The z that is crossed for the first time at this look with probability `target`."""
    from scipy.optimize import brentq
    from scipy.special import ndtri

    if density is None:
        return float(-ndtri(max(target, 1e-300)))
    root = math.sqrt(fraction)
    far = 5 * REACH
    if target <= 1e-300 or _crossing(far * root, density, step) >= target:
        return far
    return float(brentq(lambda z: _crossing(z * root, density, step) - target, -REACH, far, xtol=1e-9))


def _crossing(bound: float, density: Density, step: float) -> float:
    from scipy.special import ndtr

    grid, weighted = density
    return float(weighted @ ndtr((grid - bound) / step))


def _advance(bound: float, fraction: float, density: Density | None, step: float) -> Density:
    """The density of the sum below the bound after this look."""
    low, high = -REACH * math.sqrt(fraction), min(bound, REACH * math.sqrt(fraction))
    count = min(MAX_POINTS, max(MIN_POINTS, math.ceil(POINTS_A_STEP * (high - low) / step))) | 1
    points = np.linspace(low, high, count)
    weights = _simpson(count) * (high - low) / (count - 1)
    if density is None:
        return points, weights * _normal(points / step) / step
    grid, weighted = density
    return points, weights * (_normal((points[:, None] - grid[None, :]) / step) @ weighted) / step


def _simpson(count: int) -> NDArray[np.float64]:
    weights = np.full(count, 2.0)
    weights[1::2] = 4.0
    weights[[0, -1]] = 1.0
    return weights / 3.0


def _normal(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi), dtype=np.float64)


def _check(fractions: tuple[float, ...]) -> None:
    rising = all(later > earlier for earlier, later in itertools.pairwise((0.0, *fractions)))
    if not fractions or not rising or fractions[-1] > 1 + 1e-9:
        raise ValueError(f"information fractions {fractions} must rise from above 0 to at most 1")
