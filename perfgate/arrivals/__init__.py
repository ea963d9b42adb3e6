"""Arrival processes: when requests are due. Open loop: nothing here looks at completions."""

from __future__ import annotations

from perfgate.arrivals.process import Arrivals, Intensity
from perfgate.arrivals.registry import make_arrivals
from perfgate.arrivals.replay import ReplayArrivals

__all__ = ["Arrivals", "Intensity", "ReplayArrivals", "make_arrivals"]
