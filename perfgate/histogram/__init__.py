"""Histograms of durations: HDR buckets that every HdrHistogram implementation can read."""

from __future__ import annotations

from perfgate.histogram.geometry import GEOMETRY, Geometry
from perfgate.histogram.histogram import Histogram

__all__ = ["GEOMETRY", "Geometry", "Histogram"]
