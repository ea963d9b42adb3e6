"""How figures are written."""

from __future__ import annotations

import math

import pytest

from perfgate.units import NS_PER_S, format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (math.inf, "∞"),
        (0.00083, "830 µs"),
        (64, "64.0 s"),
        (200, "3 min 20 s"),
        (7199, "119 min 59 s"),
        (7500, "2 h 5 min"),
        (259_200, "72 h"),
    ],
)
def test_a_duration_has_the_units_a_reader_expects(seconds: float, text: str) -> None:
    assert format_duration(seconds * NS_PER_S) == text
