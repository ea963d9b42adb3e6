"""One `[arrival]` table of each pattern, and more where a pattern has sides; small enough to be played in tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from perfgate.scenario.trace import Columns, encode

Table = dict[str, Any]


def trace_text(times_s: list[float], operations: list[int] | None = None, keys: list[int] | None = None) -> str:
    """The text of a trace. operations: positions in OPERATIONS, in turn 0, 1, 2 by default."""
    count = len(times_s)
    return encode(
        Columns(
            np.rint(np.array(times_s) * 1e6).astype(np.int64),
            np.array(operations if operations is not None else [n % 3 for n in range(count)], dtype=np.uint8),
            np.array(keys if keys is not None else [-1] * count, dtype=np.int64),
        )
    )


def replay(times_s: list[float], **more: Any) -> Table:
    return {"pattern": "replay", "path": "trace.csv", "trace": trace_text(times_s), **more}


BURSTS: Table = {"baseline_ops": 60, "bursts": [{"multiplier": 5, "duration_sec": 0.7, "delay_sec": 0.9},
                                                {"multiplier": 0, "duration_sec": 0.5},
                                                {"multiplier": 2, "duration_sec": 1, "delay_sec": 0.25}]}  # fmt: skip
DIURNAL: Table = {"baseline_ops": 80, "peak_multiplier": 4, "peak_hour": 14, "trough_hour": 3.5,
                  "time_compression": 28_800, "start_hour": 8}  # fmt: skip

CASES: dict[str, Table] = {
    "constant": {"pattern": "constant", "rate": 300},
    "rare": {"pattern": "constant", "rate": 0.7},
    "poisson": {"pattern": "poisson", "rate": 300},
    "exponential": {"pattern": "exponential", "lambda": 1.5},
    "periodic_burst": {
        "pattern": "periodic_burst", "base_rate": 0, "burst_rate": 900, "burst_duration_sec": 0.3,
        "burst_period_sec": 1.7,
    },
    "periodic_burst at random": {
        "pattern": "periodic_burst", "base_rate": 50, "burst_rate": 400, "burst_duration_sec": 0.6,
        "burst_period_sec": 2.1, "spacing": "poisson",
    },
    "ramp": {"pattern": "ramp", "start_ops": 0, "end_ops": 400},
    "ramp down at random": {
        "pattern": "ramp", "start_ops": 300, "end_ops": 0, "duration_sec": 3.5, "spacing": "poisson",
    },
    "step": {"pattern": "step", "steps": [
        {"ops": 0, "duration_sec": 0.4}, {"ops": 150, "duration_sec": 1.3}, {"ops": 40, "duration_sec": 1}]},
    "stairs at random": {
        "pattern": "step", "start_ops": 250, "end_ops": 20, "step_ops": 60, "step_duration_sec": 0.8,
        "spacing": "poisson",
    },
    "diurnal": {"pattern": "diurnal", **DIURNAL},
    "diurnal at random": {"pattern": "diurnal", **DIURNAL, "spacing": "poisson"},
    "burst_sequence": {"pattern": "burst_sequence", **BURSTS},
    "burst_sequence at random": {"pattern": "burst_sequence", **BURSTS, "spacing": "poisson"},
    "composite": {"pattern": "composite", "patterns": [
        {"type": "constant", "ops_per_sec": 120, "weight": 0.5},
        {"pattern": "poisson", "rate": 40},
        {"type": "burst_sequence", **BURSTS, "weight": 0.5}]},
    "composite at random": {"pattern": "composite", "patterns": [
        {"type": "poisson", "rate": 60},
        {"type": "poisson", "rate": 60},
        {"type": "diurnal", **DIURNAL, "spacing": "poisson", "weight": 0.5}]},
    "replay": replay([0, 0.25, 0.25, 0.9, 1.7, 1.75]),
    "replay denser": replay([0.004 * n for n in range(300)], rate_scale=1.5, speed=0.75),
}  # fmt: skip
