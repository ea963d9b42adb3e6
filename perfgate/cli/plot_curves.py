"""Power curves as an SVG picture: how often a change is blocked, against how large it is, a line a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from perfgate.cli.plot_svg import svg_file, svg_text

_WIDTH, _HEIGHT = 720, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 110, 50, 60
_ACROSS, _UP = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_COLOURS = ("#0072b2", "#009e73", "#e69f00", "#cc79a7")
"""Told apart by people who see fewer colours too; each line is named as well."""
_DASHES = ("", "8 4", "2 3", "10 3 2 3")
_LABEL_HEIGHT = 16.0


def draw_curves(title: str, changes: Sequence[float], shares: Mapping[str, Sequence[float]], margin: float) -> str:
    """The whole file. changes: fractions, rising from 0; shares: of BLOCKs at each, by name of the line; margin: marked
    on the axis."""
    most = changes[-1]
    body = _grid(changes, most)
    x = _LEFT + margin / most * _ACROSS
    body.append(f'<path stroke="#999" stroke-dasharray="4 4" d="M{x:.1f} {_TOP}V{_TOP + _UP}"/>')
    body.append(svg_text(x + 4, _TOP - 6, f"margin {100 * margin:g} %", 'fill="#666"'))
    for place, values in enumerate(shares.values()):
        points = " ".join(
            f"{_LEFT + change / most * _ACROSS:.1f},{_y(share):.1f}"
            for change, share in zip(changes, values, strict=True)
        )
        style = f'stroke="{_COLOURS[place % 4]}" stroke-width="2.5" stroke-dasharray="{_DASHES[place % 4]}"'
        body.append(f'<polyline fill="none" {style} points="{points}"/>')
    body += _legend(list(shares))
    return svg_file(title, (_WIDTH, _HEIGHT), _LEFT, body)


def _y(share: float) -> float:
    return _TOP + _UP * (1 - share)


def _grid(changes: Sequence[float], most: float) -> list[str]:
    lines = []
    for tick in range(6):
        y = _y(tick / 5)
        lines.append(f'<path stroke="#ddd" d="M{_LEFT} {y:.1f}H{_LEFT + _ACROSS}"/>')
        lines.append(svg_text(_LEFT - 8, y + 4, f"{20 * tick} %", 'text-anchor="end"'))
    for change in changes:
        words = f"{100 * change:g} %"
        lines.append(svg_text(_LEFT + change / most * _ACROSS, _TOP + _UP + 20, words, 'text-anchor="middle"'))
    lines.append(svg_text(_LEFT, _HEIGHT - 14, "gates that block, against the true change of one operation's p99"))
    return lines


def _legend(names: Sequence[str]) -> list[str]:
    lines = []
    for place, name in enumerate(names):
        x, y = _LEFT + _ACROSS + 12, _TOP + 14 + _LABEL_HEIGHT * 1.5 * place
        style = f'stroke="{_COLOURS[place % 4]}" stroke-width="2.5" stroke-dasharray="{_DASHES[place % 4]}"'
        lines.append(f'<path {style} d="M{x} {y:.0f}h28"/>')
        lines.append(svg_text(x + 34, y + 4, name))
    return lines
