"""A timeline as an SVG picture: operations on top of each other, each in its colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from perfgate.cli.timeline import Timeline
from perfgate.operation import OPERATIONS
from perfgate.units import format_duration

COLUMNS = 720
_WIDTH, _HEIGHT = 960, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 20, 60, 60
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")
"""By operation, told apart by people who see fewer colours too."""
_TICKS = 5


def draw_svg(timeline: Timeline, title: str) -> str:
    """The whole file."""
    across, up = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    top = _round_up(float(timeline.total.max()))
    x = _LEFT + timeline.edges_ns / timeline.duration_ns * across
    stacked = np.cumsum(timeline.rates, axis=1)
    y = _TOP + up - np.column_stack([np.zeros(len(stacked)), stacked]) / top * up
    body = [*_grid(timeline, top), *_legend(timeline)]
    for place, operation in enumerate(timeline.operations):
        colour = _COLOURS[OPERATIONS.index(operation) % len(_COLOURS)]
        body.append(f'<path fill="{colour}" d="{_area(x, y[:, place + 1], y[:, place])}"/>')
    return svg_file(title, (_WIDTH, _HEIGHT), _LEFT, body)


def svg_file(title: str, size: tuple[int, int], left: int, body: Sequence[str]) -> str:
    """The whole file around `body`: white, of so many pixels (width, height), with its title at `left`."""
    width, height = size
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
            f'font-size="13" fill="#333">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            svg_text(left, 24, title, 'font-size="16" font-weight="bold"'),
            *body,
            "</svg>",
            "",
        ]
    )


def _area(x: np.ndarray, above: np.ndarray, below: np.ndarray) -> str:
    """Steps along the upper edge, and back along the lower one; equal steps in a row are one."""
    return f"M{x[0]:.1f} {below[0]:.1f}{_steps(x, above)}{_steps(x[::-1], below[::-1])}Z"


def _steps(x: np.ndarray, y: np.ndarray) -> str:
    turns = np.append(np.flatnonzero(np.abs(np.diff(y)) > 0.05), len(y) - 1)
    firsts = np.append(0, turns[:-1] + 1)
    return "".join(f"V{y[first]:.1f}H{x[last + 1]:.1f}" for first, last in zip(firsts, turns, strict=True))


def _grid(timeline: Timeline, top: float) -> list[str]:
    across, up = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    lines = []
    for tick in range(_TICKS + 1):
        y, x = _TOP + up - up * tick / _TICKS, _LEFT + across * tick / _TICKS
        lines.append(f'<path stroke="#ddd" d="M{_LEFT} {y:.1f}H{_LEFT + across}"/>')
        lines.append(svg_text(_LEFT - 8, y + 4, f"{top * tick / _TICKS:,g}", 'text-anchor="end"'))
        word = format_duration(timeline.duration_ns * tick / _TICKS) if tick else "0"
        lines.append(svg_text(x, _TOP + up + 20, word, 'text-anchor="middle"'))
    lines.append(svg_text(_LEFT, _HEIGHT - 14, "requests a second, over time"))
    return lines


def _legend(timeline: Timeline) -> list[str]:
    lines, x = [], float(_LEFT)
    for place, operation in enumerate(timeline.operations):
        colour = _COLOURS[OPERATIONS.index(operation) % len(_COLOURS)]
        word = f"{operation.value} (mean {timeline.mean(place):,.0f})"
        lines.append(f'<rect x="{x:.0f}" y="34" width="12" height="12" fill="{colour}"/>')
        lines.append(svg_text(x + 18, 45, word))
        x += 40 + 7.2 * len(word)
    return lines


def svg_text(x: float, y: float, words: str, more: str = "") -> str:
    """A text element at (x, y), escaped; more: further attributes."""
    return f'<text x="{x:.0f}" y="{y:.0f}"{f" {more}" if more else ""}>{escape(words)}</text>'


def _round_up(value: float) -> float:
    """The next number that begins with 1, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 and ends with zeros."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * first for first in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if power * first >= value * (1 - 1e-9))
