"""The append-only log of a run's intervals: one JSON line each, so that a killed run keeps what it had measured."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from perfgate.errors import InputError, MeasurementError
from perfgate.interval import Interval
from perfgate.interval_json import interval_from_json, interval_to_json
from perfgate.stored_form import needed, parse, table_of, value_of

VERSION = 1
KIND = "perfgate intervals"


class IntervalWriter:
    """Writes `path` anew; each line is handed to the operating system before `append` returns. Raises InputError when
    the file cannot be made, MeasurementError when it cannot be written any more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        try:
            self._file = path.open("x", encoding="utf-8")
        except OSError as error:
            remedy = "give a directory that can be written and has no record yet"
            raise InputError(f"{path}: {error.strerror}; {remedy}") from error
        self._write({"kind": KIND, "version": VERSION})

    def append(self, pair: int, interval: Interval) -> None:
        """Adds one line; `pair` is Pair.number, 0 in a run without pairs."""
        self._write({"pair": pair, **interval_to_json(interval)})
        self.count += 1

    def close(self) -> None:
        """What is still to be written where there is no room has been told of by whoever wrote it."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, line: dict[str, object]) -> None:
        try:
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._file.flush()
        except OSError as error:
            raise MeasurementError(f"{self.path}: {error.strerror}; make room and run it again") from error

    def __enter__(self) -> IntervalWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(slots=True)
class IntervalLog:
    """What a log holds: (pair, interval) in order of arrival; iterating gives the same.

    truncated: the last line was only half written, as when the run was killed, and is left out.
    """

    intervals: list[tuple[int, Interval]] = field(default_factory=list)
    truncated: bool = False

    def __iter__(self) -> Iterator[tuple[int, Interval]]:
        return iter(self.intervals)

    def __len__(self) -> int:
        return len(self.intervals)


def read_intervals(path: Path) -> IntervalLog:
    """Raises InputError naming file, line and remedy for what is no log, one of another perfgate, and a line that was
    changed."""
    log = IntervalLog()
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            _check_head(path, file.readline())
            for number, line in enumerate(file, start=2):
                if not line.endswith("\n"):
                    log.truncated = True
                    break
                log.intervals.append(_parse(path, number, line))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the directory of a run") from error
    return log


def _parse(path: Path, number: int, line: str) -> tuple[int, Interval]:
    try:
        data = table_of(parse(line))
        return value_of(int, needed(data, "pair"), "pair"), interval_from_json(data)
    except ValueError as error:
        remedy = "the file was changed after the run: restore it, or delete this line to read the others"
        raise InputError(f"{path}:{number}: not an interval ({error}); {remedy}") from error


def _check_head(path: Path, line: str) -> None:
    head = _head(line)
    if head.get("kind") != KIND:
        raise InputError(f"{path}:1: is not an interval log of perfgate; give the directory of a run")
    version = head.get("version")
    if version != VERSION:
        raise InputError(
            f"{path}:1: version {version} of an interval log cannot be read by this perfgate (it reads {VERSION}); "
            "use the perfgate that wrote it, or a newer one"
        )


def _head(line: str) -> dict[str, Any]:
    try:
        head = parse(line)
    except ValueError:
        return {}
    return head if isinstance(head, dict) else {}
