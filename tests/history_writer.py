"""A process that writes into a history and may be killed. Each run that is recorded is acknowledged by a line.

history_writer.py runs URL FIRST COUNT        records, as gates do: opening it anew each time
history_writer.py inside URL FIRST            is in the middle of a transaction when it says `inside`
history_writer.py upgrade URL                 is in the middle of making the tables when it says `inside`
history_writer.py limit URL FIRST BYTES       no file may become longer
history_writer.py full URL FIRST FILLER       until its disk is full, then removes FILLER and records once more
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from history_values import at, gate_entry, small_gate

from perfgate.history.database import connected, opened, writing
from perfgate.history.location import Location
from perfgate.history.recorder import record_run
from perfgate.history.revisions import HEAD
from perfgate.history.writer import add_run


def main(mode: str, url: str, *rest: str) -> None:
    location, numbers = at(url), [int(one) for one in rest if one.isdigit()]
    if mode == "runs":
        for number in range(numbers[0], numbers[0] + numbers[1]):
            write(location, number)
    elif mode == "inside":
        with opened(location) as engine, writing(engine) as connection:
            add_run(connection, gate_entry(numbers[0]))
            wait()
    elif mode == "upgrade":
        from alembic import command

        from perfgate.history.upgrade import alembic_config

        with connected(location) as engine, writing(engine) as connection:
            command.upgrade(alembic_config(connection), HEAD)
            wait()
    elif mode == "limit":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (numbers[1], numbers[1]))
        until_refused(location, numbers[0])
    elif mode == "full":
        refused = until_refused(location, numbers[0])
        Path(rest[1]).unlink()
        write(location, refused)
        check(location, refused - numbers[0] + 1)


def write(location: Location, number: int) -> bool:
    entry = gate_entry(number)
    warning = record_run(location, *small_gate(number), Path("/gone"))
    print("refused " + warning.replace("\n", " ") if warning else entry.id, flush=True)
    return not warning


def until_refused(location: Location, number: int) -> int:
    while write(location, number):
        number += 1
    return number


def check(location: Location, count: int) -> None:
    """Where the parent cannot look itself."""
    with opened(location) as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        assert connection.exec_driver_sql("SELECT count(*) FROM result").scalar() == count
    print("checked", flush=True)


def wait() -> None:
    print("inside", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
