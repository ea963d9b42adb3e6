"""The append-only log of a run's intervals: one JSON line each, so that a killed run keeps what it had measured."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from perfgate.errors import InputError, MeasurementError
from perfgate.interval import Interval
from perfgate.interval_json import interval_from_json, interval_to_json

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
            raise InputError(f"{path}: {error.strerror}; give a directory that can be written and has no record yet") from error
        self._write({"kind": KIND, "version": VERSION})

    def append(self, pair: int, interval: Interval) -> None:
        self._write({"pair": pair, **interval_to_json(interval)})
        self.count += 1

    def close(self) -> None:
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
    """What a log holds: (pair, interval) in order of arrival. truncated: the last line was only half written."""

    intervals: list[tuple[int, Interval]] = field(default_factory=list)
    truncated: bool = False


def read_intervals(path: Path) -> IntervalLog:
    """Raises InputError naming file and line for what is no log, or one of a newer perfgate."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the directory of a run") from error
    complete, rest = lines[:-1], lines[-1]
    _check_head(path, complete[0] if complete else rest)
    log = IntervalLog(truncated=bool(rest))
    for number, line in enumerate(complete[1:], start=2):
        try:
            data = json.loads(line)
            log.intervals.append((int(data["pair"]), interval_from_json(data)))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}:{number}: not an interval ({error}); the file was changed after the run") from error
    return log


def _check_head(path: Path, line: str) -> None:
    try:
        head = json.loads(line)
        kind, version = head["kind"], head["version"]
    except (ValueError, KeyError, TypeError):
        kind, version = None, None
    if kind != KIND:
        raise InputError(f"{path}:1: is not an interval log of perfgate; give the directory of a run")
    if version != VERSION:
        raise InputError(f"{path}:1: version {version} is newer than this perfgate reads ({VERSION}); upgrade perfgate")
