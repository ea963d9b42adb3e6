"""Time is an integer of nanoseconds inside perfgate (names end in `_ns`); units appear only when something is shown."""

from __future__ import annotations

import math

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
BEYOND = 1_000
"""Ratios from here on are told as such, without their digits."""


def seconds_to_ns(seconds: float) -> int:
    """Seconds, rounded to the nearest nanosecond."""
    return round(seconds * NS_PER_S)


def format_duration(ns: float) -> str:
    """A duration in ns with three significant digits and the unit a reader expects: `830 µs`, `1.24 ms`, `3 min 20 s`,
    `2 h 5 min`."""
    if ns != ns:  # NaN: nothing was measured
        return "–"
    if not ns:
        return "0 s"
    if ns == math.inf:  # never answered
        return "∞"
    if ns < 0:
        return "-" + format_duration(-ns)
    if ns >= 100 * NS_PER_S:
        minutes, seconds = divmod(round(ns / NS_PER_S), 60)
        if minutes >= 120:
            hours, minutes = divmod(minutes, 60)
            return f"{hours} h {minutes} min" if minutes else f"{hours} h"
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    for scale, unit in ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "µs")):
        if ns >= scale:
            return f"{three_digits(ns / scale)} {unit}"
    return f"{round(ns)} ns"


def three_digits(value: float) -> str:
    """A positive number with three significant digits and no exponent."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def format_count(count: float) -> str:
    """A count with thousands separated: `300,000`."""
    return f"{count:,.0f}"


def format_percent(fraction: float, *, signed: bool = False) -> str:
    """A fraction as percent: 0.0512 is `5.1 %`; signed gives `+5.1 %`. Beyond a thousandfold the digits say nothing."""
    if fraction != fraction:
        return "–"
    if fraction >= BEYOND:
        return f"over {BEYOND:,} x"
    return f"{fraction * 100:+.1f} %" if signed else f"{fraction * 100:.1f} %"


def format_bytes(count: float) -> str:
    """A number of bytes with three significant digits: `61.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"
