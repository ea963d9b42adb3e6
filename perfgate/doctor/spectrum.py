"""The noise spectrum: how the time that was lost is spread over frequencies, and whether interruptions keep step.

Two questions, two instruments. *Where is the noise?* The periodogram of the share of each millisecond that was lost,
summed in octaves: noise in fast octaves spoils single requests, noise in slow ones whole slices. *Is something periodic?*
The periodogram of the interruptions as points in time (Bartlett 1963, JRSS B 25): scaled by their number it is
exponentially distributed with mean 1 for points that fall at random, at every frequency. Bursts lift neighbouring
frequencies alike, so each is divided by the median around it; pulses that are not sinusoidal have their power in
harmonics, so these are summed (Vaughan and others 1969 in pulsar astronomy); the sum of H is Gamma(H, 1), whose tail is
the p-value. All frequencies that were tried are allowed for (Bonferroni), and what is found must also hold in most of
its own periods: a few bursts at the right distances are no clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfgate.doctor.interruptions import Interruptions
from perfgate.units import NS_PER_MS, NS_PER_S

BIN_NS = NS_PER_MS
MOST_HZ = 250.0
"""Half of what bins of 1 ms resolve: a period needs two harmonics to be told from another."""
LEAST_CYCLES = 8
LEAST_EVENTS = 12
OVERSAMPLED = 4
"""A period that does not divide the span lies between two frequencies of the transform."""
HARMONICS = (1, 2, 4, 8)
WHITENED_OVER = 64
"""Independent frequencies around each of which the median is taken."""
ALPHA = 1e-3
TIE = 0.8
"""Multiples of a frequency have the same harmonics or fewer; the lowest that has as much as this of the best is it."""
STEP_WIDTH = 0.2
"""Of a period: interruptions inside the fullest window of this width keep step."""
LEAST_IN_STEP = 0.15
LEAST_CYCLES_HIT = 0.5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Octave:
    """power: mean square of the lost share at these frequencies, so that all octaves add up to its variance."""

    least_hz: float
    most_hz: float
    power: float


@dataclass(frozen=True, slots=True)
class Period:
    """in_step: the share of the interruptions that come at one phase of the period, chance deducted. p: the chance of
    finding so much at any frequency among interruptions that fall at random."""

    period_ns: float
    in_step: float
    p: float

    @property
    def hz(self) -> float:
        return NS_PER_S / self.period_ns


def lost_in_bins(noise: Interruptions, bin_ns: int = BIN_NS) -> Floats:
    """The share of each bin that was lost, float64 (whole bins of the span,)."""
    bins = noise.span_ns // bin_ns
    starts = (noise.starts_ns - noise.began_ns).astype(np.float64)
    times = np.stack([starts, starts + noise.lengths_ns], axis=1).reshape(-1)
    sums = np.cumsum(noise.lengths_ns).astype(np.float64)
    lost = np.stack([np.concatenate([[0.0], sums[:-1]]), sums], axis=1).reshape(-1) if len(sums) else sums
    edges = np.arange(bins + 1, dtype=np.float64) * bin_ns
    if not len(times):
        return np.zeros(bins)
    share: Floats = np.diff(np.interp(edges, times, lost)) / bin_ns
    return np.clip(share, 0.0, 1.0)


def octaves(noise: Interruptions) -> tuple[Octave, ...]:
    """From the slowest that the span shows up to 500 Hz."""
    series = lost_in_bins(noise)
    if len(series) < 16:
        return ()
    power = np.abs(np.fft.rfft(series - series.mean())) ** 2 * 2 / len(series) ** 2
    hz = np.fft.rfftfreq(len(series), BIN_NS / NS_PER_S)
    found, most = [], hz[-1]
    while most > 1.5 * hz[1]:
        least = most / 2 if most / 2 > 1.5 * hz[1] else 0.0
        inside = (hz > least) & (hz <= most)
        found.append(Octave(float(least), float(most), float(power[inside].sum())))
        most = least
    return tuple(reversed(found))


def dominant_period(noise: Interruptions) -> Period | None:
    """The strongest period that chance does not explain, from 4 ms to an eighth of the span; None without one."""
    starts = noise.starts_ns - noise.began_ns
    bins = noise.span_ns // BIN_NS
    if len(starts) < LEAST_EVENTS or bins < 2 * WHITENED_OVER:
        return None
    points = np.zeros(bins)
    points[np.minimum(starts // BIN_NS, bins - 1)] = 1.0
    white, step_hz = _whitened(points)
    first = max(1, math.ceil(LEAST_CYCLES / (noise.span_ns / NS_PER_S) / step_hz))
    last = min(len(white) - 1, math.floor(MOST_HZ / step_hz))
    if first >= last:
        return None
    logs = [_log_tail(_harmonic_sums(white, first, last, count), count) for count in HARMONICS]
    best = int(np.argmin([values.min() for values in logs]))
    p = min(1.0, math.exp(float(logs[best].min())) * (last - first + 1) * len(HARMONICS))
    if p > ALPHA:
        return None
    at = first + _lowest_peak(_harmonic_sums(white, first, last, HARMONICS[best]))
    period_ns = NS_PER_S / (at * step_hz)
    in_step, cycles_hit = _step(starts, period_ns, noise.span_ns)
    if in_step < LEAST_IN_STEP or cycles_hit < LEAST_CYCLES_HIT:
        return None
    return Period(period_ns, in_step, p)


def _whitened(points: Floats) -> tuple[Floats, float]:
    """Power at each frequency in units of what random points have there, and the distance of two frequencies in Hz."""
    size = 1 << math.ceil(math.log2(len(points) * OVERSAMPLED))
    count = max(1.0, float(points.sum()))
    power = np.abs(np.fft.rfft(points - points.mean(), size)) ** 2 / count
    block = WHITENED_OVER * size // len(points)
    whole = len(power) // block * block
    medians = np.median(power[:whole].reshape(-1, block), axis=1) / math.log(2)
    centres = (np.arange(len(medians)) + 0.5) * block
    level = np.interp(np.arange(len(power)), centres, medians)
    white: Floats = power / np.maximum(level, 1.0)
    return white, NS_PER_S / BIN_NS / size


def _harmonic_sums(white: Floats, first: int, last: int, harmonics: int) -> Floats:
    """float64 (last - first + 1,): power at each frequency and its first multiples; those above the range count as
    their mean, 1, so that sums of one number of harmonics stay comparable."""
    at = np.arange(first, last + 1)
    total = np.zeros(len(at))
    for number in range(1, harmonics + 1):
        inside = at * number < len(white)
        total[inside] += white[at[inside] * number]
        total[~inside] += 1.0
    return total


def _log_tail(sums: Floats, shape: int) -> Floats:
    """log P(Gamma(shape, 1) > sum) for an integer shape: exp(-x) times the first terms of exp's series (Erlang)."""
    x = np.maximum(sums, 1e-12)
    terms = [number * np.log(x) - math.lgamma(number + 1) for number in range(shape)]
    tail: Floats = np.logaddexp.reduce(terms, axis=0) - x
    return np.minimum(tail, 0.0)


def _lowest_peak(sums: Floats) -> int:
    """The top of the lowest peak that is nearly as high as the highest."""
    lowest = int(np.argmax(sums >= TIE * sums.max()))
    near = sums[lowest : lowest + 2 * OVERSAMPLED]
    return lowest + int(np.argmax(near))


def _step(starts: NDArray[np.int64], period_ns: float, span_ns: int) -> tuple[float, float]:
    """(share of the points in the fullest window of phases beyond what chance puts there, share of the periods that
    have one of them)."""
    phases = np.sort((starts / period_ns) % 1.0)
    around = np.concatenate([phases, phases + 1.0])
    counts = np.searchsorted(around, phases + STEP_WIDTH) - np.arange(len(phases))
    fullest = int(np.argmax(counts))
    offset = (starts / period_ns - phases[fullest]) % 1.0
    inside = offset < STEP_WIDTH
    cycles = np.unique(np.floor(starts[inside] / period_ns - phases[fullest]))
    share = counts[fullest] / len(starts)
    in_step = max(0.0, float(share - STEP_WIDTH) / (1 - STEP_WIDTH))
    return in_step, len(cycles) / max(1.0, span_ns / period_ns)
