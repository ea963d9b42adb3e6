"""Arrival processes: when requests are due. Open loop: nothing here looks at completions."""

from __future__ import annotations

from perfgate.arrivals.process import Arrivals, Intensity
from perfgate.arrivals.registry import make_arrivals

__all__ = ["Arrivals", "Intensity", "make_arrivals"]
