"""One run as a history keeps it: the result itself, and where it was."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfgate.gate.comparison import Comparison
from perfgate.history.identity import run_id
from perfgate.report.directory import RESULT, load_result, result_from_json, result_to_json
from perfgate.run import RunRecord


@dataclass(frozen=True, slots=True)
class Entry:
    """result: what result.json holds, as it was written. directory: absolute, on the host it was run on."""

    id: str
    result: Mapping[str, Any]
    directory: str
    recorded_wall_ns: int

    @classmethod
    def of(cls, record: RunRecord, comparison: Comparison | None, directory: Path) -> Entry:
        """Of a run that has just ended."""
        return cls.of_result(result_to_json(record, comparison), str(directory.absolute()))

    @classmethod
    def read(cls, directory: Path) -> Entry:
        """Of a run's directory. Raises InputError for what is no result."""
        result = load_result(directory)
        result_from_json(result, str(directory / RESULT))
        return cls.of_result(result, str(directory.absolute()))

    @classmethod
    def of_result(cls, result: Mapping[str, Any], directory: str) -> Entry:
        return cls(run_id(result), result, directory, time.time_ns())

    def decoded(self) -> tuple[RunRecord, Comparison | None]:
        """Raises InputError where the result was written by a newer perfgate, or is none."""
        return result_from_json(self.result, f"run {self.id}")

    @property
    def local_directory(self) -> Path | None:
        """The directory, where it is still there and still this run's."""
        directory = Path(self.directory)
        try:
            found = json.loads((directory / RESULT).read_text(encoding="utf-8"))
            return directory if run_id(found) == self.id else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def pack(result: Mapping[str, Any]) -> bytes:
    """As result.json, at about a third of its size. Raises ValueError for a number that JSON does not know."""
    return zlib.compress(json.dumps(result, allow_nan=False, separators=(",", ":")).encode())


def unpack(body: bytes) -> dict[str, Any]:
    """Raises ValueError or zlib.error for what `pack` did not make."""
    result: dict[str, Any] = json.loads(zlib.decompress(body))
    return result
