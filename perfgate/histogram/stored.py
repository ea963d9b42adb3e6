"""Histograms out of stored documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perfgate.histogram.histogram import Histogram
from perfgate.stored_form import at, needed, table_of


def histogram_of(data: Mapping[str, Any], name: str) -> Histogram:
    """The histogram in the field of that name. Raises WrongField."""
    needed(data, name)
    with at(name):
        return Histogram.from_json(table_of(data[name]))
