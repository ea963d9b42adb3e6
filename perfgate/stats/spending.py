"""Sequential boundaries: how strict each look must be, so that all looks together keep the promised error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

GRID = 1_201
REACH = 8.0


def obrien_fleming_spent(alpha: float, fraction: float) -> float:
    """One-sided error spent when `fraction` of the information is in: 2 (1 - Phi(z_{1 - alpha/2} / sqrt(fraction))).

    Source: Lan, K. K. G., DeMets, D. L. (1983), Discrete sequential boundaries for clinical trials, Biometrika 70:
    the spending function that resembles O'Brien and Fleming's boundary.
    """
    from scipy.special import ndtr, ndtri

    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha = {alpha} must lie between 0 and 0.5")
    if fraction <= 0:
        return 0.0
    return float(2 * ndtr(ndtri(alpha / 2) / math.sqrt(min(fraction, 1.0))))


@lru_cache(maxsize=512)
def nominal_levels(alpha: float, fractions: tuple[float, ...]) -> tuple[float, ...]:
    """The one-sided p under which each look rejects, so that all looks together reject a true null at most as often as
    spending allows. fractions: information at each look, rising, the last at most 1.

    By numerical integration of the density of the sum that has not crossed yet (Armitage, McPherson and Rowe 1969;
    Jennison and Turnbull 2000, chapter 19): between looks the sum gains a normal increment. Raises ValueError for
    fractions that do not rise.
    """
    from scipy.special import ndtr

    _check(fractions)
    levels: list[float] = []
    grid: NDArray[np.float64] | None = None
    density: NDArray[np.float64] | None = None
    before, spent = 0.0, 0.0
    for fraction in fractions:
        target = obrien_fleming_spent(alpha, fraction) - spent
        step = math.sqrt(fraction - before)
        bound = _solve(target, fraction, grid, density, step)
        levels.append(float(ndtr(-bound)))
        grid, density = _advance(bound * math.sqrt(fraction), fraction, grid, density, step)
        spent, before = spent + target, fraction
    return tuple(levels)


def looks_so_far(pairs: int, looks: Sequence[int]) -> tuple[float, ...]:
    """Information fractions of the looks up to and including one at `pairs`, which need not be a planned look."""
    most = looks[-1]
    taken = [look for look in looks if look < pairs]
    return tuple(min(1.0, look / most) for look in (*taken, pairs) if look <= most) or (1.0,)


def _solve(
    target: float, fraction: float, grid: NDArray[np.float64] | None, density: NDArray[np.float64] | None, step: float
) -> float:
    """The z that is crossed for the first time at this look with probability `target`."""
    from scipy.optimize import brentq
    from scipy.special import ndtri

    if grid is None or density is None:
        return float(-ndtri(max(target, 1e-300)))
    if target <= 1e-15:
        return REACH
    root = math.sqrt(fraction)
    if _crossing(REACH * root, grid, density, step) >= target:
        return REACH
    return float(brentq(lambda z: _crossing(z * root, grid, density, step) - target, -REACH, REACH, xtol=1e-10))


def _crossing(bound: float, grid: NDArray[np.float64], density: NDArray[np.float64], step: float) -> float:
    from scipy.special import ndtr

    return float(np.trapezoid(density * ndtr((grid - bound) / step), grid))


def _advance(
    bound: float, fraction: float, grid: NDArray[np.float64] | None, density: NDArray[np.float64] | None, step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The density of the sum below the bound after this look."""
    points = np.linspace(-REACH * math.sqrt(fraction), bound, GRID)
    if grid is None or density is None:
        return points, np.asarray(_normal(points / step) / step, dtype=np.float64)
    kernel = _normal((points[:, None] - grid[None, :]) / step) / step
    return points, np.asarray(np.trapezoid(kernel * density[None, :], grid, axis=1), dtype=np.float64)


def _normal(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi), dtype=np.float64)


def _check(fractions: tuple[float, ...]) -> None:
    rising = all(later > earlier for earlier, later in zip((0.0, *fractions), fractions, strict=False))
    if not fractions or not rising or fractions[-1] > 1 + 1e-9:
        raise ValueError(f"information fractions {fractions} must rise from above 0 to at most 1")
