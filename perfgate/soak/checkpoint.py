"""What is known of a run so far, as a file that is replaced as a whole: whoever looks at it sees one state or the next."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfgate.errors import InputError
from perfgate.operation import Operation
from perfgate.soak.drift import Drift, Motion
from perfgate.soak.events import Event
from perfgate.soak.findings import Finding
from perfgate.soak.periods import Period, operations
from perfgate.stored_form import WrongField, at, fields, make, make_odd, needed, parse, rows_of, value_of

VERSION = 1
KIND = "perfgate soak"
NAME = "checkpoint.json"


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """One period in figures, as of Period. stored: memories. quantiles_ns: (p50, p99) by operation name, NaN where nothing
    was answered."""

    start_ns: int
    end_ns: int
    completed: int
    failed: int
    stored: int
    quantiles_ns: dict[str, tuple[float, float]]
    rss_bytes: float
    disk_bytes: int
    cpu_ns: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """elapsed_ns of duration_ns of the load. period_ns: the length of each period. state: `running`, `ended`, or why it was
    broken off. stores: whether memories were stored."""

    name: str
    target: str
    build: str
    seed: int
    started_wall_ns: int
    written_wall_ns: int
    elapsed_ns: int
    duration_ns: int
    period_ns: int
    state: str
    periods: tuple[PeriodLine, ...]
    findings: tuple[Finding, ...]
    events: tuple[Event, ...]
    events_dropped: int

    @property
    def rising(self) -> tuple[Finding, ...]:
        """What was shown to become worse: latencies that rise, and memory or disk that do although nothing was stored."""
        return tuple(
            one
            for one in self.findings
            if one.motion is Motion.RISES and (one.unit != "bytes" or one.per_store is None)
        )


def line_of(period: Period) -> PeriodLine:
    interval = period.interval
    store = interval.operations.get(Operation.STORE)
    return PeriodLine(
        start_ns=interval.start_ns,
        end_ns=interval.end_ns,
        completed=interval.completed,
        failed=interval.failures,
        stored=store.completed if store else 0,
        quantiles_ns={
            name.value: (period.quantile(name, 0.5), period.quantile(name, 0.99)) for name in operations([period])
        },
        rss_bytes=period.rss_bytes,
        disk_bytes=period.disk_bytes,
        cpu_ns=period.cpu_ns,
    )


def write(directory: Path, checkpoint: Checkpoint) -> None:
    """Raises OSError."""
    document = {"kind": KIND, "version": VERSION, **_finite(dataclasses.asdict(checkpoint))}
    fresh = directory / f"{NAME}.new"
    fresh.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    os.replace(fresh, directory / NAME)


def read(directory: Path) -> Checkpoint:
    """Raises InputError for a directory without one, with one of another perfgate, or one that was changed, naming the field."""
    path = directory / NAME
    try:
        data = parse(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: there is none yet: give the directory (--out) of perfgate soak") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("kind") != KIND or data.get("version") != VERSION:
        raise InputError(f"{path}: is no checkpoint that this perfgate reads; use the one that wrote it")
    try:
        return _from_json(data)
    except WrongField as wrong:
        remedy = "the file was changed: wait for the next period, or look at soak.md beside it"
        raise InputError(f"{path}: not a checkpoint of perfgate ({wrong}); {remedy}") from wrong


def _from_json(data: dict[str, Any]) -> Checkpoint:
    plain = [field.name for field in dataclasses.fields(Checkpoint) if field.name not in _NESTED]
    return Checkpoint(
        **fields(Checkpoint, data, plain),
        periods=tuple(_period(one, f"periods[{number}]") for number, one in enumerate(rows_of(data, "periods"))),
        findings=tuple(_finding(one, f"findings[{number}]") for number, one in enumerate(rows_of(data, "findings"))),
    )


_NESTED = ("periods", "findings")


def _period(data: Any, place: str) -> PeriodLine:
    with at(place):
        quantiles = value_of(dict[str, tuple[float | None, float | None]], needed(data, "quantiles_ns"), "quantiles_ns")
        line = make_odd(PeriodLine, {**data, "quantiles_ns": {}}, ODD)
        known = {name: (_nan(p50), _nan(p99)) for name, (p50, p99) in quantiles.items()}
        return dataclasses.replace(line, quantiles_ns=known)


def _finding(data: Any, place: str) -> Finding:
    with at(place):
        line = needed(data, "drift")
        found = make(Finding, {**data, "drift": None})
        with at("drift"):
            return found if line is None else dataclasses.replace(found, drift=make_odd(Drift, line, ODD))


ODD = {None: math.nan}


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for them."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


def as_lines(periods: Sequence[Period]) -> tuple[PeriodLine, ...]:
    return tuple(line_of(period) for period in periods)
