"""Records as JSON, exact both ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from perfgate.errors import InputError
from perfgate.interval_json import interval_from_json, interval_to_json
from perfgate.run import SCHEMA_VERSION, RunRecord, Second
from perfgate.segment import Arm
from perfgate.worker_load_json import worker_load_from_json, worker_load_to_json

_PLAIN = (
    "kind", "name", "started_wall_ns", "duration_ns", "scenario", "scenario_digest", "target", "seed", "complete",
)  # fmt: skip


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
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        remedy = "the file was changed after the run: restore it, or run again"
        raise InputError(f"not a record of perfgate ({error!r}); {remedy}") from error


def _record(data: Mapping[str, Any]) -> RunRecord:
    return RunRecord(
        **{name: data[name] for name in _PLAIN},
        builds=_from_arms(data["builds"]),
        arms={Arm[name.upper()]: interval_from_json(interval) for name, interval in data["arms"].items()},
        measured_ns=_from_arms(data["measured_ns"]),
        timeline=tuple(Second(**{**line, "arm": Arm[line["arm"].upper()]}) for line in data["timeline"]),
        pairs=tuple(data["pairs"]),
        phases=tuple((phase["name"], phase["duration_ns"]) for phase in data["phases"]),
        environment=data["environment"],
        limits=tuple(data["limits"]),
        warnings=tuple(data["warnings"]),
        workers=tuple(worker_load_from_json(load) for load in data.get("workers", ())),  # older records have none
        invalid=tuple(data.get("invalid", ())),
    )


def _by_arm(values: Mapping[Arm, Any]) -> dict[str, Any]:
    return {arm.name.lower(): value for arm, value in values.items()}


def _from_arms(values: Mapping[str, Any]) -> dict[Arm, Any]:
    return {Arm[name.upper()]: value for name, value in values.items()}
