"""The mean over few processes of which each served several pairs. What starts add to its error is borrowed.

A pair's value is d = δ + r + e: r differs from process couple to process couple (two starts, variance 2 s_restart²) and
is the same in all pairs of a couple, e differs from pair to pair (s_within²). With m couples and n pairs

    SE² = 2 s_restart² / m + s_within² / n.

s_within is known from the pairs inside couples. s_restart cannot be had from a handful of couples: it comes from a
calibration, with its own degrees of freedom. Those of the sum follow Satterthwaite, F. E. (1946), An approximate
distribution of estimates of variance components, Biometrics Bulletin 2.

Where the calibration's processes served as many pairs each, its couples' means vary by just 2 s_restart² + s_within² / k,
which is what is wanted: nothing has to be taken apart and put together again, and the couples of the gate, which estimate
the same variance, are pooled with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perfgate.stats.couple_spread import CoupleSpread
from perfgate.stats.trimmed import ROUNDING, Estimate, trimmed_means
from perfgate.stats.variance_bounds import difference_df

Floats = NDArray[np.float64]


MORE_PAIRS = 1.25
"""Times the pairs of a calibration's couple up to which a gate's couple is like it. Their means vary no more then, and pairs
that were dropped here or there do not matter."""


@dataclass(frozen=True, slots=True)
class RestartSpread:
    """sd: of ONE process's log level from start to start. df: the degrees of freedom of its square. couples: what it was
    taken from, where processes served several pairs. Raises ValueError for figures that cannot be."""

    sd: float
    df: float
    couples: CoupleSpread | None = None

    def __post_init__(self) -> None:
        if not (self.sd >= 0 and math.isfinite(self.sd) and self.df >= 0):
            raise ValueError(f"a restart sd of {self.sd} with {self.df} degrees of freedom cannot be")


@dataclass(frozen=True, slots=True)
class Nested:
    """means: of each couple, trimmed inside it, float64 (couples,). kept: values left by trimming, int64 (couples,).
    within: s_within², pooled over couples, NaN where no couple has two values; df: of within. trim: the share at each end."""

    means: Floats
    kept: NDArray[np.int64]
    within: float
    df: int
    trim: float

    @property
    def of_pairs(self) -> float:
        """What pairs add to the variance of a couple's mean: s_within² (mean of 1/h)."""
        return self.within * float(np.mean(1 / self.kept))


def nest(values: ArrayLike, starts: ArrayLike, share: float) -> Nested:
    """values: float64 (pairs,) without NaN; starts: int (pairs,), which couple served each; share: trimmed at each end
    inside a couple, so floor(share x its pairs) values.

    Means and squares inside a couple are those of Yuen (1974), Biometrika 61: the winsorised squares over h (h - 1) are
    the variance of a mean that keeps h values; squares and h - 1 are summed over couples. Without trimming that is the
    pooled variance of an analysis of variance. Raises ValueError for a share that cannot be and for lengths that differ.
    """
    data, number = np.asarray(values, dtype=np.float64), np.asarray(starts, dtype=np.int64)
    if data.shape != number.shape or data.ndim != 1:
        raise ValueError(f"{data.shape} values do not go with {number.shape} starts")
    rows = _rows(data, number)
    means = trimmed_means(rows, share)  # refuses the share
    count = (~np.isnan(rows)).sum(axis=1)
    cut = np.floor(share * count + ROUNDING).astype(np.int64)
    kept = count - 2 * cut
    df = int((kept - 1).sum())
    squares = float(_winsorised_squares(rows, count, cut).sum())
    return Nested(means, kept, squares / df if df > 0 else math.nan, df, share)


def starts_estimate(of: Nested, restart: RestartSpread) -> Estimate:
    """Every couple counts alike: mean of their means, SE² = V / m, V the variance of one couple's mean.

    V is borrowed (`_borrowed`). Where the calibration's couples are like these, V is pooled with the variance of these
    couples' means, by degrees of freedom, which are added: two independent estimates of one variance, of which the mean
    of normal values is independent as well. NaN se and no df where s_within is not known."""
    couples = len(of.means)
    if couples == 0 or math.isnan(of.within):
        return Estimate(float(of.means.mean()) if couples else math.nan, math.nan, 0)
    variance, df = _borrowed(of, restart)
    if couples > 1 and _like(of, restart.couples):
        own = float(of.means.var(ddof=1))
        variance = (df * variance + (couples - 1) * own) / (df + couples - 1)
        df += couples - 1
    return Estimate(float(of.means.mean()), math.sqrt(variance / couples), df)


def spread_p(of: Nested, restart: RestartSpread) -> float:
    """p that couples differ as much as they do by chance, if they vary as the calibration says: small where it does not
    hold any more. The variance of the couples' means over what is borrowed, against Fisher's F, with m - 1 and the
    borrowed df. 1 where it cannot be told."""
    from scipy.special import fdtrc

    if len(of.means) < 2 or math.isnan(of.within):
        return 1.0
    between, (expected, df) = float(of.means.var(ddof=1)), _borrowed(of, restart)
    if expected == 0:
        return 1.0 if between == 0 else 0.0
    return float(fdtrc(len(of.means) - 1, df, between / expected)) if df > 0 else 1.0


def couple_spread(of: Nested) -> CoupleSpread:
    """What an A/A calibration, whose processes served several pairs each, tells of couples like its own. Raises ValueError
    for fewer than two couples, or where none has two pairs."""
    if len(of.means) < 2 or math.isnan(of.within):
        raise ValueError(f"{len(of.means)} couples tell nothing of starts: two couples, of two pairs each, are needed")
    kept = 1 / float(np.mean(1 / of.kept))
    return CoupleSpread(float(of.means.var(ddof=1)), len(of.means) - 1, of.of_pairs, of.df, kept, of.trim)


def restart_spread(of: Nested) -> RestartSpread:
    """What such a calibration tells of starts alone, whatever gates' couples are like.

    Couples' means vary by 2 s_restart² + s_within² (mean of 1/h), so s_restart² is half of what their variance is more
    than the second part; df: Satterthwaite's for that difference (Searle, Casella and McCulloch 1992, Variance
    Components, chapter 3). Nothing where it comes out below 0. Raises ValueError as `couple_spread` does.
    """
    found = couple_spread(of)
    df = difference_df(found.variance, found.df, found.within, found.within_df)
    return RestartSpread(math.sqrt(max(0.0, found.variance - found.within) / 2), df, found)


def _like(of: Nested, couples: CoupleSpread | None) -> bool:
    """Whether means of these couples vary at most as those of the calibration do, as far as their pairs' number goes."""
    if couples is None or couples.trim != of.trim:
        return False
    return 1 / float(np.mean(1 / of.kept)) <= MORE_PAIRS * couples.kept


def _borrowed(of: Nested, restart: RestartSpread) -> tuple[float, float]:
    """The variance of one couple's mean, and its degrees of freedom, before these couples' means are looked at.

    That of the calibration's couples, where these are like them, raised by what pairs add today beyond what they added
    then, and never lowered: on a host that is quieter today the test is on the safe side. Otherwise 2 s_restart², and
    what pairs add. df of sums: (a + b)² / (a²/df_a + b²/df_b), Satterthwaite's."""
    pairs, couples = of.of_pairs, restart.couples
    if couples is None or not _like(of, couples):
        return 2 * restart.sd**2 + pairs, _satterthwaite(2 * restart.sd**2, restart.df, pairs, of.df)
    if pairs <= couples.within:
        return couples.variance, couples.df
    variance = couples.variance + pairs - couples.within
    uncertain = couples.variance**2 / couples.df + pairs**2 / of.df + couples.within**2 / couples.within_df
    return variance, min(float(couples.df), variance**2 / uncertain)


def _satterthwaite(starts: float, starts_df: float, pairs: float, pairs_df: float) -> float:
    """df of the sum of two estimated variances."""
    if starts == 0:
        return float(pairs_df)
    if starts_df == 0:
        return 0.0
    share = starts / (starts + pairs)
    return 1 / (share**2 / starts_df + (1 - share) ** 2 / pairs_df)


def _rows(values: Floats, starts: NDArray[np.int64]) -> Floats:
    """(couples, most pairs), sorted, NaN where a couple has fewer."""
    names, place = np.unique(starts, return_inverse=True)
    order = np.lexsort((values, place))
    counts = np.bincount(place, minlength=len(names))
    rows = np.full((len(names), int(counts.max(initial=0))), np.nan)
    column = np.arange(len(values)) - np.repeat(counts.cumsum() - counts, counts)
    rows[place[order], column] = values[order]
    return rows


def _winsorised_squares(rows: Floats, count: NDArray[np.int64], cut: NDArray[np.int64]) -> Floats:
    """Of each row, whose values are sorted: the sum of squares about the mean, the `cut` outermost pulled in."""
    if not rows.size:
        return np.zeros(len(rows))
    place = np.arange(rows.shape[1])
    inside = np.clip(place, cut[:, None], (count - cut - 1)[:, None])
    there = place < count[:, None]
    pulled = np.where(there, np.take_along_axis(rows, inside, axis=1), 0.0)
    mean = pulled.sum(axis=1, keepdims=True) / count[:, None]
    squares: Floats = np.where(there, (pulled - mean) ** 2, 0.0).sum(axis=1)
    return squares
