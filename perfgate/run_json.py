"""Records as JSON, exact both ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypedDict

from perfgate.errors import InputError
from perfgate.interval import Interval
from perfgate.interval_json import interval_from_json, interval_to_json
from perfgate.run import SCHEMA_VERSION, RunRecord, Second
from perfgate.segment import Arm
from perfgate.stored_form import WrongField, at, fields, make, needed, rows_of, show, table_of, value_of
from perfgate.worker_load import WorkerLoad
from perfgate.worker_load_json import worker_load_from_json, worker_load_to_json

_PLAIN = (
    "kind", "name", "started_wall_ns", "duration_ns", "scenario", "scenario_digest", "target", "seed", "complete",
)  # fmt: skip


class _Pair(TypedDict, total=False):
    """What reports and histories read of a line of `pairs`."""

    number: int
    couples: int
    dropped: int
    drop_reasons: list[str]
    start_ns: dict[str, int]
    steal_fraction: float
    effects: dict[str, float | None]


class _Named(TypedDict):
    name: str
    limit: float


class _Limit(_Named, total=False):
    """What they read of a line of `limits`."""

    unit: str
    base: float | None
    candidate: float | None
    met_base: bool
    met_candidate: bool


class _Invalid(TypedDict):
    """A line of `invalid`."""

    code: str
    text: str
    remedy: str


class _Build(TypedDict, total=False):
    """What a build of a commit is beyond its name."""

    commit: str | None
    label: str
    subject: str
    asked: str
    artifact: str | None
    dirty: bool | None
    toolchain: list[str] | None


class _Environment(TypedDict, total=False):
    """What they read of `environment`, which holds much more."""

    perfgate: str
    controller: str
    command: str
    agents: dict[str, dict[str, Any]]
    builds: dict[str, _Build]


def record_to_json(record: RunRecord) -> dict[str, Any]:
    """JSON-ready, with the schema version first."""
    return {
        "schema_version": SCHEMA_VERSION,
        **{name: getattr(record, name) for name in _PLAIN},
        "builds": _by_arm(record.builds),
        "arms": {arm.name.lower(): interval_to_json(interval) for arm, interval in record.arms.items()},
        "measured_ns": _by_arm(record.measured_ns),
        "timeline": [{**dataclasses.asdict(second), "arm": second.arm.name.lower()} for second in record.timeline],
        "pairs": [dict(pair) for pair in record.pairs],
        "phases": [{"name": name, "duration_ns": duration} for name, duration in record.phases],
        "environment": dict(record.environment),
        "limits": [dict(limit) for limit in record.limits],
        "warnings": list(record.warnings),
        "workers": [worker_load_to_json(load) for load in record.workers],
        "invalid": [dict(reason) for reason in record.invalid],
    }


def record_from_json(data: Mapping[str, Any]) -> RunRecord:
    """Raises InputError for another schema version, or for what is no record; the caller knows the file."""
    if not isinstance(data, Mapping) or "schema_version" not in data:
        raise InputError("not a record of perfgate (it has no schema_version); give the directory of a run")
    version = data["schema_version"]
    if version != SCHEMA_VERSION:
        raise InputError(
            f"schema_version {version} of a record cannot be read by this perfgate (it reads {SCHEMA_VERSION}); "
            "use the perfgate that wrote it, or a newer one"
        )
    try:
        return _record(data)
    except WrongField as wrong:
        remedy = "the file was changed after the run: restore it, or run again"
        raise InputError(f"not a record of perfgate ({wrong}); {remedy}") from wrong


def _record(data: Mapping[str, Any]) -> RunRecord:
    return RunRecord(
        **fields(RunRecord, data, _PLAIN),
        builds=_from_arms(data, "builds", str),
        arms=_arms(needed(data, "arms")),
        measured_ns=_from_arms(data, "measured_ns", int),
        timeline=tuple(_second(line, f"timeline[{number}]") for number, line in enumerate(rows_of(data, "timeline"))),
        pairs=value_of(tuple[_Pair, ...], needed(data, "pairs"), "pairs"),
        phases=tuple(_phase(line, f"phases[{number}]") for number, line in enumerate(rows_of(data, "phases"))),
        environment=value_of(_Environment, needed(data, "environment"), "environment"),
        limits=value_of(tuple[_Limit, ...], needed(data, "limits"), "limits"),
        warnings=value_of(tuple[str, ...], needed(data, "warnings"), "warnings"),
        workers=_workers(data) if "workers" in data else (),  # older records have none
        invalid=value_of(tuple[_Invalid, ...], data.get("invalid", ()), "invalid"),
    )


def _arms(data: Any) -> dict[Arm, Interval]:
    intervals = {}
    with at("arms"):
        for name, interval in table_of(data).items():
            with at(name):
                intervals[_arm(name)] = interval_from_json(table_of(interval))
    return intervals


def _second(line: Any, place: str) -> Second:
    with at(place):
        return make(Second, {**table_of(line), "arm": _arm(needed(line, "arm"))})


def _phase(line: Any, place: str) -> tuple[str, int]:
    with at(place):
        return value_of(str, needed(line, "name"), "name"), value_of(int, needed(line, "duration_ns"), "duration_ns")


def _workers(data: Mapping[str, Any]) -> tuple[WorkerLoad, ...]:
    loads = []
    for number, load in enumerate(rows_of(data, "workers")):
        with at(f"workers[{number}]"):
            loads.append(worker_load_from_json(table_of(load)))
    return tuple(loads)


def _by_arm(values: Mapping[Arm, Any]) -> dict[str, Any]:
    return {arm.name.lower(): value for arm, value in values.items()}


def _from_arms(data: Mapping[str, Any], name: str, hint: type) -> dict[Arm, Any]:
    with at(name):
        return {_arm(arm): value_of(hint, value, arm) for arm, value in table_of(needed(data, name)).items()}


def _arm(name: Any) -> Arm:
    known = {arm.name.lower(): arm for arm in Arm}
    if not isinstance(name, str) or name not in known:
        raise WrongField("", f"is of an unknown arm {show(name)}: one of {', '.join(known)}")
    return known[name]
