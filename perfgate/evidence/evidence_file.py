"""The file of evidence: JSON lines, only ever added to, by any number of gates at once.

A line is on the disk before `append` returns. What a crash left of a line stays a line of its own, which reading counts
and passes over; it can never swallow the line that follows. Where a file was joined to itself, or to a copy, each gate
counts once: no two gates measure the same effects to six digits. Without effects (a BLOCK after one pair) two equal lines
may be two gates, and an alarm is never left out.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import InputError
from perfgate.evidence.gate_line import VERSION, GateLine, from_json, to_json

VARIABLE = "PERFGATE_EVIDENCE"
DEFAULT = Path(".perfgate") / "evidence.jsonl"
OFF = "off"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a file holds, in order. damaged: numbers of the lines that are none, counted from 1. repeated: of those that an
    earlier line says word for word, which are one gate and are left out."""

    lines: tuple[GateLine, ...] = ()
    damaged: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()


def find_file(option: str | None) -> Path | None:
    """From --evidence, else PERFGATE_EVIDENCE, else `.perfgate/evidence.jsonl` in the current directory; None for `off`.
    Raises InputError for a directory."""
    given = (os.environ.get(VARIABLE, "") if option is None else option).strip()
    if given == OFF:
        return None
    path = Path(given) if given else DEFAULT
    if path.is_dir():
        source = VARIABLE if option is None else "--evidence"
        raise InputError(f"{source} {path}: is a directory; give a file, or off")
    return path


def append(path: Path, line: GateLine) -> None:
    """Adds a line for good. Raises OSError where that cannot be done."""
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        text = json.dumps(to_json(line), separators=(",", ":"), allow_nan=False) + "\n"
        _write(descriptor, (b"" if _ends_whole(descriptor) else b"\n") + text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)  # which unlocks it
    if new:
        _sync_directory(path.parent)


def read(path: Path) -> Evidence:
    """Raises InputError for a file that cannot be read, holds no evidence at all, or was written by a newer perfgate."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # so that a line that is being written is not taken for a torn one
            rows = file.read().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the file that gates wrote (--evidence)") from error
    lines: list[GateLine] = []
    damaged: list[int] = []
    repeated: list[int] = []
    seen: set[bytes] = set()
    for number, row in enumerate(map(bytes.strip, rows), start=1):
        if not row:
            continue
        line = _parse(path, number, row)
        if line is None:
            damaged.append(number)
        elif row in seen and line.effects:
            repeated.append(number)
        else:
            lines.append(line)
            seen.add(row)
    if damaged and not lines:
        raise InputError(f"{path}: no line of it is evidence of a gate; give the file that gates wrote (--evidence)")
    return Evidence(tuple(lines), tuple(damaged), tuple(repeated))


def _parse(path: Path, number: int, row: bytes) -> GateLine | None:
    try:
        data = json.loads(row)
        version = data["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(version) is not int or version < 1:
        return None
    if version > VERSION:
        raise InputError(
            f"{path}:{number}: version {version} of the evidence cannot be read by this perfgate (it reads {VERSION}); "
            "use a newer perfgate"
        )
    try:
        return from_json(data)
    except ValueError:
        return None


def _ends_whole(descriptor: int) -> bool:
    """Whether the file is empty or its last line is complete."""
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_directory(path: Path) -> None:
    """The name of a new file is on the disk only when its directory is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
