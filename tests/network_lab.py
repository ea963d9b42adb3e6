"""The lab of several hosts for tests, which skips them with a line where this machine cannot have one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.faults.lab import Lab, lab
from benchmarks.faults.network import NotHere, check


@contextlib.contextmanager
def lab_or_skip(directory: Path, *hosts: str) -> Iterator[Lab]:
    """As `lab`."""
    try:
        check()
    except NotHere as error:
        pytest.skip(f"no hosts of network namespaces: {error}")
    with lab(directory, *hosts) as made:
        yield made
