"""What verbs print: their report on standard output, warnings on standard error. A failure to print is no failure of what was
measured."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfgate.gate.comparison import Comparison
    from perfgate.run import RunRecord


def warn(text: str) -> None:
    """On standard error, its further lines set below; nothing for an empty text."""
    if text:
        print("perfgate: warning: " + text.replace("\n", "\n  "), file=sys.stderr)


@contextlib.contextmanager
def read_or_not() -> Iterator[None]:
    """What is decided stays decided: where nobody reads on (`| head -1`), the exit code is still the verdict's."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()


@contextlib.contextmanager
def printed_or_not(directory: Path) -> Iterator[None]:
    """As read_or_not, and with a warning where standard output has no room: the report lies in the directory, too."""
    try:
        with read_or_not():
            yield
    except OSError as error:
        _drop_output()
        warn(f"the report could not be printed: {error.strerror}; perfgate report {directory} shows it")


def _drop_output() -> None:
    """Or Python tries again to write what is left, at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_gate(record: RunRecord, comparison: Comparison, directory: Path) -> None:
    """On standard output; a failure to print is no failure of the gate."""
    from perfgate.report.terminal import make_console, render_gate

    with printed_or_not(directory):
        render_gate(record, comparison, make_console(), directory)


def print_run(record: RunRecord, directory: Path) -> None:
    """On standard output; a failure to print is no failure of the run."""
    from perfgate.report.terminal import make_console, render_run

    with printed_or_not(directory):
        render_run(record, make_console(), directory)
