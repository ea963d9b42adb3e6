"""A gate as a process of its own: `perfgate gate` with everything it does, its own record and its own turn of the host."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from perfgate.errors import PerfgateError
from perfgate.history.database import opened, writing
from perfgate.history.entry import Entry
from perfgate.history.location import Location
from perfgate.history.writer import add_run


def run_gate(words: Sequence[str], directory: Path, location: Location) -> Entry | None:
    """`perfgate gate WORDS`, its output on standard error: whoever asked for it has an output of his own. directory:
    where it writes; it is made sure that its run is in the history. None where it left no result. Raises KeyboardInterrupt
    where it was told to end."""
    interrupted = _call([*words, "--out", str(directory)])
    entry = None
    try:
        entry = Entry.read(directory)
    except PerfgateError:  # it has said why itself
        pass
    else:
        with opened(location) as engine, writing(engine) as connection:
            add_run(connection, entry)
    if interrupted:
        raise KeyboardInterrupt
    return entry


def _call(words: Sequence[str]) -> bool:
    """Whether it was interrupted. In a session of its own, so that Ctrl-C reaches it once, through here."""
    told = []
    command = [sys.executable, "-P", "-m", "perfgate", "gate", *words]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True) as child:

        def pass_on(number: int, _frame: FrameType | None) -> None:
            told.append(number)
            child.send_signal(number)

        before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            child.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return bool(told)
