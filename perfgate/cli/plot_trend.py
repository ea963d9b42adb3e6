"""Trends as an SVG picture: a panel a metric, points with intervals, the rolling mean, the jumps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from perfgate.cli.plot_svg import svg_file, svg_text
from perfgate.trend.outlook import Outlook
from perfgate.units import NS_PER_S

_WIDTH, _PANEL = 960, 240
_LEFT, _RIGHT, _TOP, _GAP = 80, 20, 60, 60
_ACROSS, _UP = _WIDTH - _LEFT - _RIGHT, _PANEL - _GAP
_POINT, _MEAN, _JUMP = "#0072b2", "#e69f00", "#d55e00"
_LEAST_SPAN = 0.02
_TICKS = 4


def draw_trends(outlooks: Sequence[Outlook], title: str) -> str:
    """The whole file. Changes against the anchor in percent, over time; errors are intervals of 95 %."""
    height = _TOP + _PANEL * len(outlooks)
    body = [line for place, one in enumerate(outlooks) for line in _panel(one, _TOP + _PANEL * place)]
    return svg_file(title, (_WIDTH, height), _LEFT, body)


def _panel(of: Outlook, top: float) -> list[str]:
    series, reach = of.series, of.series.reach()
    low = min(0.0, *(math.expm1(v - r) for v, r in zip(series.values, reach, strict=True)))
    high = max(_LEAST_SPAN, *(math.expm1(v + r) for v, r in zip(series.values, reach, strict=True)))
    first, last = float(series.times_ns[0]), float(series.times_ns[-1])
    scale = _Scale(top, low, high, first, max(last, first + 1))
    tone = f' fill="{_JUMP}"' if of.alert else ""
    lines = [svg_text(_LEFT, top - 6, f"{series.metric}{' – alert' if of.alert else ''}", f'font-weight="bold"{tone}')]
    lines += _grid(scale)
    for one in of.changes:
        lines.append(f'<path stroke="{_JUMP}" stroke-dasharray="4 4" d="M{scale.x(one.at_ns):.1f} {top}v{_UP}"/>')
        words = f"{one.commit[:8]} {100 * math.expm1(one.step):+.1f} %"
        lines.append(svg_text(scale.x(one.at_ns) + 4, top + 12, words, f'fill="{_JUMP}"'))
    for at, value, half in zip(series.times_ns, series.values, reach, strict=True):
        x, y = scale.x(at), scale.y(value)
        ends = f"M{x:.1f} {scale.y(value - half):.1f}V{scale.y(value + half):.1f}"
        lines.append(f'<path stroke="{_POINT}" stroke-opacity="0.4" d="{ends}"/>')
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_POINT}"/>')
    points = " ".join(f"{scale.x(at):.1f},{scale.y(m):.1f}" for at, m in zip(series.times_ns, of.mean, strict=True))
    lines.append(f'<polyline fill="none" stroke="{_MEAN}" stroke-width="2.5" points="{points}"/>')
    return lines


class _Scale:
    """From log ratios and times to places."""

    def __init__(self, top: float, low: float, high: float, first: float, last: float) -> None:
        self.top, self.low, self.high, self.first, self.last = top, low, high, first, last

    def x(self, at_ns: float) -> float:
        return _LEFT + (at_ns - self.first) / (self.last - self.first) * _ACROSS

    def y(self, value: float) -> float:
        return self.top + _UP * (self.high - math.expm1(value)) / (self.high - self.low)


def _grid(scale: _Scale) -> list[str]:
    lines = []
    for tick in range(_TICKS + 1):
        share = scale.low + (scale.high - scale.low) * tick / _TICKS
        y = scale.y(math.log1p(share))
        lines.append(f'<path stroke="#ddd" d="M{_LEFT} {y:.1f}h{_ACROSS}"/>')
        lines.append(svg_text(_LEFT - 8, y + 4, f"{100 * share:+.1f} %", 'text-anchor="end"'))
        at = scale.first + (scale.last - scale.first) * tick / _TICKS
        day = datetime.fromtimestamp(at / NS_PER_S, UTC).strftime("%Y-%m-%d")
        lines.append(svg_text(_LEFT + _ACROSS * tick / _TICKS, scale.top + _UP + 18, day, 'text-anchor="middle"'))
    zero = scale.y(0.0)
    lines.append(f'<path stroke="#999" d="M{_LEFT} {zero:.1f}h{_ACROSS}"/>')
    return lines
