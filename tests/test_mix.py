"""Weights over the hours of the day."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from perfgate.operation import OPERATIONS, Operation
from perfgate.plan import LANES, Plan
from perfgate.requests import Requests
from perfgate.scenario import parse_scenario

S = 1_000_000_000
STORE, RECALL = OPERATIONS.index(Operation.STORE), OPERATIONS.index(Operation.RECALL)


def plan(operations: dict[str, Any], seconds: float = 48, arrival: dict[str, Any] | None = None) -> Plan:
    return Plan(
        parse_scenario(
            {
                "name": "hours",
                "duration": {"total_seconds": seconds},
                "arrival": arrival or {"pattern": "constant", "rate": 200},
                "operations": operations,
                "data": {"num_nodes": 100, "embedding_dim": 8},
            }
        )
    )


def window(of: Plan, start_h: float, end_h: float) -> Requests:
    """With a compression of 3,600 an hour is a second."""
    return of.window(range(LANES), round(start_h * S), round(end_h * S))


def test_weights_change_at_their_hours_to_the_nanosecond_and_every_day_anew() -> None:
    schedule = [{"hours": [8.25, 18], "store_weight": 1}, {"hours": [22, 6], "search_weight": 1}]
    hourly = plan({"recall_weight": 1, "diurnal_schedule": schedule, "time_compression": 3_600})
    search = OPERATIONS.index(Operation.EMBEDDING_SEARCH)
    for day in (0, 24):
        for start, end, operation in ((0, 6, search), (6, 8.25, RECALL), (8.25, 18, STORE), (18, 22, RECALL),
                                      (22, 24, search)):  # fmt: skip
            assert set(window(hourly, day + start, day + end).operation.tolist()) == {operation}


def test_the_day_starts_at_its_hour() -> None:
    schedule = [{"hours": [0, 12], "store_weight": 1}, {"hours": [12, 24], "recall_weight": 1}]
    late = plan({"diurnal_schedule": schedule, "time_compression": 3_600, "start_hour": 20})
    assert set(window(late, 0, 4).operation.tolist()) == {RECALL}
    assert set(window(late, 4, 16).operation.tolist()) == {STORE}


def test_a_diurnal_arrival_sets_the_clock_of_the_schedule() -> None:
    arrival = {"pattern": "diurnal", "baseline_ops": 100, "peak_multiplier": 2, "peak_hour": 14, "trough_hour": 3,
               "time_compression": 3_600, "start_hour": 6}  # fmt: skip
    schedule = [{"hours": [0, 12], "store_weight": 1}, {"hours": [12, 24], "recall_weight": 1}]
    both = plan({"diurnal_schedule": schedule}, arrival=arrival)
    assert set(window(both, 0, 6).operation.tolist()) == {STORE}
    assert set(window(both, 6, 18).operation.tolist()) == {RECALL}


@pytest.mark.parametrize("seconds", [6, 30, 48, 50.5])
def test_shares_of_the_scenario_are_those_of_its_duration(seconds: float) -> None:
    schedule = [{"hours": [0, 6], "store_weight": 1}, {"hours": [6, 24], "store_weight": 1, "recall_weight": 3}]
    hourly = plan({"diurnal_schedule": schedule, "time_compression": 3_600}, seconds)
    counts = hourly.counts().sum(axis=0)
    shares = [hourly.scenario.weights.get(operation, 0.0) for operation in OPERATIONS]
    assert (counts / counts.sum()).tolist() == pytest.approx(shares, abs=0.02)


@pytest.mark.parametrize("compression", [3_600, 7_000, 86_400])
def test_counts_are_those_of_the_windows_however_often_weights_change(compression: float) -> None:
    schedule = [{"hours": [hour, hour + 3], "store_weight": 1 + hour, "recall_weight": 5} for hour in range(0, 24, 3)]
    busy = plan({"diurnal_schedule": schedule, "time_compression": compression}, 12.5)
    for second, row in enumerate(busy.counts()):
        part = busy.window(range(LANES), second * S, min((second + 1) * S, busy.duration_ns))
        assert row.tolist() == np.bincount(part.operation, minlength=len(OPERATIONS)).tolist()
