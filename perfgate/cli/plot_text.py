"""A timeline drawn with characters: a panel for all requests and one for each operation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfgate.cli.timeline import Timeline
from perfgate.units import format_duration

_BARS = " ▁▂▃▄▅▆▇█"
_LABELS = 10
_WIDEST = 120
_NARROWEST = 40
_ROWS_OF_ALL = 8
_ROWS_OF_ONE = 4
_TICKS = 4


def columns_for(width: int) -> int:
    """How many columns a picture has that is `width` characters wide."""
    return min(max(width, _NARROWEST), _WIDEST) - _LABELS


def draw_text(timeline: Timeline) -> list[str]:
    """Lines of equal scale for all operations; the sum has its own."""
    column_ns = timeline.duration_ns / len(timeline.rates)
    lines = [f"Requests a second; a column is {format_duration(column_ns)}", ""]
    lines += _panel("all", timeline.total, float(timeline.total.max()), _ROWS_OF_ALL)
    if len(timeline.operations) > 1:
        top = float(timeline.rates.max())
        for place, operation in enumerate(timeline.operations):
            title = f"{operation.value} (mean {timeline.mean(place):,.0f})"
            lines += _panel(title, timeline.rates[:, place], top, _ROWS_OF_ONE)
    return [*lines, *_time_axis(timeline)]


def _panel(title: str, rates: NDArray[np.float64], top: float, rows: int) -> list[str]:
    eighths = np.rint(rates / (top or 1.0) * rows * 8).astype(np.int64)
    eighths[(rates > 0) & (eighths == 0)] = 1  # little is not nothing
    lines = [f"{'':<{_LABELS}}{title}"]
    for row in reversed(range(rows)):
        label = f"{top:,.0f}" if row == rows - 1 else ""
        bars = "".join(_BARS[level] for level in np.clip(eighths - 8 * row, 0, 8))
        lines.append(f"{label:>{_LABELS - 2}} ┤{bars}".rstrip())
    return [*lines, f"{0:>{_LABELS - 2}} └{'─' * len(rates)}"]


def _time_axis(timeline: Timeline) -> list[str]:
    columns = len(timeline.rates)
    line = [" "] * (_LABELS + columns)
    for tick in range(_TICKS + 1):
        word = format_duration(timeline.duration_ns * tick / _TICKS) if tick else "0"
        at = _LABELS + columns * tick // _TICKS - (len(word) * tick // _TICKS)
        line[at : at + len(word)] = word
    return ["".join(line).rstrip()]
