"""A chart with two logarithmic axes as SVG: nothing but the text of the file is needed to show it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 78, 86, 44, 58
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd")
STYLE = "font-family='sans-serif' font-size='13' fill='#333'"


@dataclass(frozen=True, slots=True)
class Series:
    """One line; points at or below 0 cannot be shown and are left out."""

    label: str
    points: Sequence[tuple[float, float]]

    @property
    def shown(self) -> list[tuple[float, float]]:
        return [(x, y) for x, y in self.points if x > 0 and y > 0]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Decades from 10**low to 10**high onto pixels from start to end."""

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return cls(low, max(high, low + 1), start, end)

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def log_log_chart(title: str, x_label: str, y_label: str, series: Sequence[Series]) -> str:
    """The same points give the same bytes. Raises ValueError when there is nothing to show."""
    points = [point for one in series for point in one.shown]
    if not points:
        raise ValueError("a chart needs a point above 0")
    across = _Axis.over([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Axis.over([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' role='img'>",
        f"<title>{escape(title)}</title>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' fill='white'/>",
        f"<text x='{LEFT}' y='24' {STYLE} font-weight='bold'>{escape(title)}</text>",
        *_grid(across, up),
        f"<text x='{(LEFT + WIDTH - RIGHT) / 2:.0f}' y='{HEIGHT - 14}' {STYLE} text-anchor='middle'>{escape(x_label)}</text>",
        f"<text transform='translate(18 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)' {STYLE} text-anchor='middle'>"
        f"{escape(y_label)}</text>",
        *_lines(series, across, up),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for power in range(across.low, across.high + 1):
        x = across.at(10.0**power)
        parts.append(_rule(x, TOP, x, HEIGHT - BOTTOM))
        parts.append(f"<text x='{x:.1f}' y='{HEIGHT - BOTTOM + 20}' {STYLE} text-anchor='middle'>{10**power:,g}</text>")
    for power in range(up.low, up.high + 1):
        y = up.at(10.0**power)
        parts.append(_rule(LEFT, y, WIDTH - RIGHT, y))
        parts.append(f"<text x='{LEFT - 8}' y='{y + 4:.1f}' {STYLE} text-anchor='end'>{10.0**power:,g}</text>")
    return parts


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='#ddd'/>"


def _lines(series: Sequence[Series], across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for one, colour in zip(series, COLOURS, strict=False):
        dots = [(across.at(x), up.at(y)) for x, y in one.shown]
        if not dots:
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'/>" for x, y in dots]
        x, y = dots[-1]
        place = f"x='{x + 8:.1f}' y='{y + 4:.1f}'"
        parts.append(
            f"<text {place} font-family='sans-serif' font-size='13' fill='{colour}'>{escape(one.label)}</text>"
        )
    return parts
