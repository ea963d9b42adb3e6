"""The record of one run or gate: everything a report shows and a history keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perfgate.interval import Interval
from perfgate.segment import Arm
from perfgate.worker_load import WorkerLoad

SCHEMA_VERSION = 1
BROKEN_OFF = "broken off: "
"""So begins the warning that says why a run was cut short."""


@dataclass(frozen=True, slots=True)
class Second:
    """One second (or slice) of the timeline, for sparklines: latencies in ns by operation name. In a run of hours several
    seconds are one: counts added up, the p50 a mean, the p99 the worst of them."""

    at_ns: int
    arm: Arm
    completed: int
    failed: int
    p50_ns: Mapping[str, float]
    p99_ns: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """kind: `run` or `gate`. arms: the merged measured interval of each arm (segment number 0). builds: what each
    arm was (variant name or URL). phases: (name, duration in ns), in order. environment: host, CPU, kernel, versions.
    """

    kind: str
    name: str
    started_wall_ns: int
    duration_ns: int
    scenario: str  # canonical JSON
    scenario_digest: str
    target: str
    builds: Mapping[Arm, str]
    seed: int
    complete: bool
    """False where the run was broken off: the data are partial."""
    arms: Mapping[Arm, Interval]
    measured_ns: Mapping[Arm, int]
    timeline: tuple[Second, ...]
    pairs: tuple[Mapping[str, Any], ...]
    """One JSON-ready mapping a pair: number, ports, cpus, start_ns, couples used and dropped, effects."""
    phases: tuple[tuple[str, int], ...]
    environment: Mapping[str, Any]
    limits: tuple[Mapping[str, Any], ...] = ()
    """The scenario's [validation], each: name, limit, base, candidate, met_base, met_candidate (JSON-ready)."""
    warnings: tuple[str, ...] = ()
    workers: tuple[WorkerLoad, ...] = ()
    """The load generator by worker, over all measured slices, whether they were used or not."""
    invalid: tuple[Mapping[str, str], ...] = ()
    """Of a run without a gate: why it says nothing of the store, each: code, text, remedy. Empty where it does."""
