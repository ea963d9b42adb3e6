"""System calls a request, counted by strace: what no client can do without, and what each does beyond it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_ROW = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z_0-9]+)\s*$", re.M)


def read_counts(text: str) -> dict[str, int]:
    """Calls by name, of `strace -c`."""
    return {name: int(calls) for calls, name in _ROW.findall(text) if name != "total"}


def per_request(path: Path, requests: int) -> Mapping[str, float]:
    return {name: calls / requests for name, calls in read_counts(path.read_text()).items()}
