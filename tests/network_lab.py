"""The lab of several hosts for tests, which skips them with a line where this machine cannot have one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.faults.lab import Lab, lab
from benchmarks.faults.network import NotHere, check


def check_or_skip() -> None:
    try:
        check()
    except NotHere as error:
        pytest.skip(f"no hosts of network namespaces: {error}")


@contextlib.contextmanager
def lab_or_skip(directory: Path, *hosts: str) -> Iterator[Lab]:
    """As `lab`."""
    check_or_skip()
    with lab(directory, *hosts) as made:
        yield made
