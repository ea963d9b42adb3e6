"""All faults, in the order of the table."""

from __future__ import annotations

from benchmarks.faults import agent_cases, controller_cases, network_cases, target_cases, time_cases

CASES = (
    *agent_cases.CASES, *controller_cases.CASES, *network_cases.CASES, *target_cases.CASES, *time_cases.CASES,
)  # fmt: skip
