"""What a bisection knows, as a file: JSON lines, only ever added to, on the disk before the next gate begins.

A line that a crash tore is passed over; the gate it told of is then measured again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfgate.bisect.lineage import Lineage
from perfgate.bisect.reading import Answer, Reading
from perfgate.bisect.search import Known
from perfgate.errors import InputError
from perfgate.stored_form import WrongField, needed, parse, value_of

VERSION = 1
DIRECTORY = Path(".perfgate") / "bisect"
KEY_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Journal:
    """path: the file. Of one pair of commits, scenario, target, policy and way through the history."""

    path: Path

    @property
    def exists(self) -> bool:
        return self.path.exists()

    def begin(self, about: Mapping[str, Any]) -> None:
        """The first line. Raises InputError where it cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path.parent}: {error.strerror}; bisect from a directory that can be written"
            ) from error
        self._append({"perfgate_bisect": VERSION, **about})
        _sync(self.path.parent)

    def add_answer(self, answer: Answer, took_ns: int, directory: Path) -> None:
        """took_ns: of building both commits and gating them. Flushed to the disk, so that `--resume` has it. Raises
        InputError where it cannot be written."""
        readings = {name: [one.estimate, one.se, one.df, one.pairs] for name, one in answer.readings.items()}
        line = {"base": answer.base, "candidate": answer.candidate, "readings": readings}
        self._append({**line, "took_ns": took_ns, "directory": str(directory)})

    def add_unbuildable(self, sha: str, why: str) -> None:
        self._append({"unbuildable": sha, "why": why})

    def read(self, lineage: Lineage) -> Known:
        """Raises InputError for a file that is none, one of a newer perfgate, and one that was changed, naming the field."""
        answers: list[Answer] = []
        broken: set[str] = set()
        lines = self._lines()
        version = lines[0].get("perfgate_bisect") if lines else None
        if not isinstance(version, int) or version > VERSION:
            raise InputError(f"{self.path}: is no bisection that this perfgate can read; remove it to begin anew")
        with self._whole():
            for line in lines[1:]:
                if "unbuildable" in line:
                    broken.add(value_of(str, line["unbuildable"], "unbuildable"))
                elif "readings" in line:
                    answers.append(_answer(line))
        return Known(lineage, tuple(answers), frozenset(broken))

    def durations(self) -> list[int]:
        """ns of each gate so far; none without a file. Raises InputError as `read`."""
        with self._whole():
            lines = self._lines() if self.exists else []
            return [value_of(int, line["took_ns"], "took_ns") for line in lines if "took_ns" in line]

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except WrongField as wrong:
            remedy = "the file was changed: restore it, delete the line, or remove the file to begin anew"
            raise InputError(f"{self.path}: {wrong}; {remedy}") from wrong

    def _lines(self) -> list[dict[str, Any]]:
        try:
            rows = self.path.read_bytes().split(b"\n")
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}; there is no such bisection to resume") from error
        found = []
        for row in rows:
            try:
                line = parse(row)
            except ValueError:
                continue
            if isinstance(line, dict):
                found.append(line)
        return found

    def _append(self, line: Mapping[str, Any]) -> None:
        """On a line of its own, whatever the last one looks like."""
        data = ("\n" if self.exists else "") + json.dumps(line, allow_nan=False)
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                left = data.encode()
                while left:
                    left = left[os.write(descriptor, left) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}; the bisection cannot be kept") from error


def journal_of(*parts: str) -> Journal:
    """Of what determines a bisection."""
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:KEY_LENGTH]
    return Journal(DIRECTORY / f"{key}.json")


def _answer(line: Mapping[str, Any]) -> Answer:
    readings = value_of(dict[str, tuple[float, float, float, int]], line["readings"], "readings")
    base, candidate = (value_of(str, needed(line, name), name) for name in ("base", "candidate"))
    return Answer(base, candidate, {name: Reading(*values) for name, values in readings.items()})


def _sync(directory: Path) -> None:
    """The name of a new file is on the disk only when its directory is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
