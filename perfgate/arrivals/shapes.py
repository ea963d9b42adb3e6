"""Named shapes of a rate, each as the straight lines it is made of. Rates are requests a second, times seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from perfgate.arrivals.piecewise import PiecewiseLinearRate

_DAY_H = 24.0
_KNOTS_AN_HOUR = 4


def ramp(start_ops: float, end_ops: float, duration_sec: float) -> PiecewiseLinearRate:
    """From `start_ops` to `end_ops` in a straight line, then held."""
    return PiecewiseLinearRate([(duration_sec, start_ops, end_ops)], held=end_ops)


def step(steps: Sequence[Mapping[str, float]]) -> PiecewiseLinearRate:
    """One rate after the other, {ops, duration_sec} each; the last is held."""
    return PiecewiseLinearRate(
        [(one["duration_sec"], one["ops"], one["ops"]) for one in steps], held=float(steps[-1]["ops"])
    )


def burst_sequence(baseline_ops: float, bursts: Sequence[Mapping[str, float]]) -> PiecewiseLinearRate:
    """Bursts {multiplier, duration_sec, delay_sec}: `delay_sec` of the baseline, then the burst; after the last one the
    baseline goes on."""
    lines = []
    for burst in bursts:
        high = baseline_ops * burst["multiplier"]
        lines += [(burst["delay_sec"], baseline_ops, baseline_ops), (burst["duration_sec"], high, high)]
    return PiecewiseLinearRate(lines, held=baseline_ops)


def diurnal(
    baseline_ops: float,
    peak_multiplier: float,
    peak_hour: float,
    trough_hour: float,
    time_compression: float,
    start_hour: float,
) -> PiecewiseLinearRate:
    """Day after day: `baseline_ops` at the trough, `peak_multiplier` times that at the peak, half a cosine on either side.

    The cosines are drawn as straight lines of a quarter of an hour of the day, which stray from them by less than
    0.2 % of the peak where trough and peak are 8 hours or more apart. A day takes 86,400 s / `time_compression`.
    """
    hours = [knot / _KNOTS_AN_HOUR for knot in range(round(_DAY_H * _KNOTS_AN_HOUR))]
    since = sorted(
        {round((hour - start_hour) % _DAY_H, 9) % _DAY_H for hour in [*hours, peak_hour, trough_hour]} | {0.0}
    )

    def rate(hours_since_start: float) -> float:
        height = _height((start_hour + hours_since_start) % _DAY_H, peak_hour, trough_hour)
        return round(baseline_ops * (1 + (peak_multiplier - 1) * height), 9)

    ends = [*since[1:], _DAY_H]
    second = 3600 / time_compression
    return PiecewiseLinearRate(
        [((end - start) * second, rate(start), rate(end)) for start, end in zip(since, ends, strict=True)], held=None
    )


def _height(hour: float, peak_hour: float, trough_hour: float) -> float:
    """0 at the trough, 1 at the peak."""
    rise = (peak_hour - trough_hour) % _DAY_H
    since_trough = (hour - trough_hour) % _DAY_H
    share = since_trough / rise if since_trough <= rise else (_DAY_H - since_trough) / (_DAY_H - rise)
    # Rounded: the last bit of a cosine is not the same on every machine.
    return round((1 - math.cos(math.pi * share)) / 2, 12)
