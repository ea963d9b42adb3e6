"""The frontiers of recall and latency as an SVG picture: a line a store, its swept values as points."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from perfgate.cli.plot_svg import svg_file, svg_text
from perfgate.compete.frontiers import SEARCH, Frontier
from perfgate.compete.model import Measurement
from perfgate.compete.policy import STATISTICS, CompetePolicy
from perfgate.units import format_duration

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442", "#000000")
"""Told apart by people who see fewer colours too; more stores begin again."""
_WIDTH, _HEIGHT = 960, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 230, 60, 60
_ACROSS, _UP = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_TICKS = 5
_LEAST_SPAN = 0.02


def draw_frontiers(measured: Measurement, frontiers: Sequence[Frontier], policy: CompetePolicy, title: str) -> str:
    """The whole file: recall across, the logarithm of the judged quantile up. Bars are the middle half of the rounds."""
    points = [_points(one, policy) for one in frontiers]
    known = [point for part in points for point in part]
    if not known:
        return svg_file(title, (_WIDTH, _HEIGHT), _LEFT, [svg_text(_LEFT, _TOP, "nothing was measured at any recall")])
    recalls, lows, highs = [one[1] for one in known], [one[3] for one in known], [one[4] for one in known]
    scale = _Scale(min(*recalls, policy.recall), max(*recalls, policy.recall), min(lows), max(highs))
    body = _grid(scale, policy)
    x = scale.x(policy.recall)
    body.append(f'<path stroke="#999" stroke-dasharray="4 4" d="M{x:.1f} {_TOP}v{_UP}"/>')
    body.append(svg_text(x + 4, _TOP + 12, f"compared at {policy.recall:g}", 'fill="#777"'))
    for number, part in enumerate(points):
        body += _store(measured, number, part, scale, set(frontiers[number].kept))
    return svg_file(title, (_WIDTH, _HEIGHT), _LEFT, body)


def _points(one: Frontier, policy: CompetePolicy) -> list[tuple[int, float, float, float, float]]:
    """(value, recall, log ns, its lower and upper quartile over rounds) of each value that was measured, by recall."""
    table = one.levels.get(SEARCH)
    if table is None:
        return []
    rounds = table[STATISTICS.index(policy.primary)]
    found = []
    for value in range(rounds.shape[1]):
        column = rounds[:, value][np.isfinite(rounds[:, value])]
        if len(column) and math.isfinite(one.pooled[value]) and not one.faults[value]:
            low, high = np.quantile(column, [0.25, 0.75]).tolist()
            found.append((value, float(one.pooled[value]), float(column.mean()), low, high))
    return sorted(found, key=lambda point: point[1])


class _Scale:
    """From recalls and log latencies to places."""

    def __init__(self, left: float, right: float, low: float, high: float) -> None:
        span = max(right - left, _LEAST_SPAN)
        self.left, self.right = left - 0.05 * span, min(1.0, left + span) + 0.02 * span
        room = max(0.1, 0.08 * (high - low))
        self.low, self.high = low - room, high + room

    def x(self, recall: float) -> float:
        return _LEFT + (recall - self.left) / (self.right - self.left) * _ACROSS

    def y(self, level: float) -> float:
        return _TOP + _UP * (self.high - level) / (self.high - self.low)


def _grid(scale: _Scale, policy: CompetePolicy) -> list[str]:
    lines = []
    for tick in range(_TICKS + 1):
        level = scale.low + (scale.high - scale.low) * tick / _TICKS
        recall = scale.left + (scale.right - scale.left) * tick / _TICKS
        y, x = scale.y(level), scale.x(recall)
        lines.append(f'<path stroke="#ddd" d="M{_LEFT} {y:.1f}h{_ACROSS}"/>')
        lines.append(svg_text(_LEFT - 8, y + 4, format_duration(math.exp(level)), 'text-anchor="end"'))
        if recall <= 1:
            lines.append(svg_text(x, _TOP + _UP + 20, f"{recall:.3f}", 'text-anchor="middle"'))
    words = f"recall@10 across; {policy.primary} of the search's response time up; bars: the middle half of the rounds"
    lines.append(svg_text(_LEFT, _HEIGHT - 14, words))
    return lines


def _store(
    measured: Measurement,
    number: int,
    points: Sequence[tuple[int, float, float, float, float]],
    scale: _Scale,
    kept: set[int],
) -> list[str]:
    colour, store = COLOURS[number % len(COLOURS)], measured.stores[number]
    lines = [
        f'<rect x="{_LEFT + _ACROSS + 20}" y="{_TOP + 40 * number}" width="12" height="12" fill="{colour}"/>',
        svg_text(_LEFT + _ACROSS + 38, _TOP + 40 * number + 11, store.label, 'font-weight="bold"'),
        svg_text(_LEFT + _ACROSS + 38, _TOP + 40 * number + 27, _short(store.version), 'font-size="11" fill="#777"'),
    ]
    line = " ".join(
        f"{scale.x(recall):.1f},{scale.y(level):.1f}" for value, recall, level, _, _ in points if value in kept
    )
    lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>')
    for value, recall, level, low, high in points:
        x, fill = scale.x(recall), colour if value in kept else "#fff"
        bar = f"M{x:.1f} {scale.y(low):.1f}V{scale.y(high):.1f}"
        lines.append(f'<path stroke="{colour}" stroke-opacity="0.4" stroke-width="3" d="{bar}"/>')
        lines.append(f'<circle cx="{x:.1f}" cy="{scale.y(level):.1f}" r="4" fill="{fill}" stroke="{colour}"/>')
        if store.parameter:
            lines.append(svg_text(x + 6, scale.y(level) - 6, store.values[value], f'font-size="10" fill="{colour}"'))
    return lines


def _short(text: str, most: int = 32) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
