"""Claims about a load generator that spoils its own measurement: what is dropped, what is INVALID, and in what words."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from builders import arm_interval, latencies, worker_load
from gate_values import THREE, pairs
from hypothesis import given
from hypothesis import strategies as st
from usage_values import USAGES

from perfgate.gate.compare import compare
from perfgate.gate.generator import drop_faulty, drop_laggards, run_problems, spoilt_reason, worker_faults
from perfgate.gate.policy_load import QUICK, STANDARD
from perfgate.gate.verdict import Word
from perfgate.histogram import Histogram
from perfgate.pair import Pair
from perfgate.units import NS_PER_MS, NS_PER_US
from perfgate.usage import Usage
from perfgate.worker_load import WorkerLoad

LATE = Histogram.of([20 * NS_PER_MS] * 100)

OVER: dict[str, dict[str, Any]] = {
    "generator_busy": {"cpu_share": 0.6, "busiest_share": 0.97},
    "core_wait": {"waiting_share": 0.4},
    "steal": {"steal_share": 0.12},
    "gc_pause": {"gc_pauses": 3, "gc_longest_ns": 4 * NS_PER_MS},
}
WORDS = {
    "generator_busy": "worker 2 of agent agent-1 used 97 % of its core at its busiest (limit 90 %)",
    "core_wait": "worker 2 of agent agent-1 was ready to run but had no core for 40 % of the time (limit 5 %)",
    "steal": "the hypervisor took 12 % of the core of worker 2 of agent agent-1 (limit 5 %)",
    "gc_pause": "worker 2 of agent agent-1 collected garbage 3 times in measured slices, for up to 4.00 ms",
}
REMEDIES = {
    "generator_busy": "add workers (--workers, or agents on other machines) or lower [arrival] rate",
    "core_wait": "keep other real-time work and other workers off CPU 2",
    "steal": "use a machine that is not shared",
    "gc_pause": "please report this",
}


def loaded_by(*workers: WorkerLoad, count: int = 16) -> list[Pair]:
    """Pairs of the same build that these workers loaded, as the gate sees them."""
    return [drop_faulty(dataclasses.replace(pair, workers=workers), QUICK) for pair in pairs(count)]


def test_a_generator_within_its_thresholds_changes_nothing() -> None:
    comparison = compare(loaded_by(worker_load(1), worker_load(2)), QUICK, THREE)
    assert comparison.verdict.word is Word.PASS


@pytest.mark.parametrize("code", OVER)
def test_a_worker_over_a_threshold_is_invalid_and_named_with_its_agent_and_the_remedy(code: str) -> None:
    comparison = compare(loaded_by(worker_load(1), worker_load(2, **OVER[code])), QUICK, THREE)
    assert comparison.verdict.word is Word.INVALID
    assert comparison.verdict.exit_code == 3
    (reason,) = comparison.verdict.reasons
    assert reason.code == code
    assert WORDS[code] in reason.text
    assert REMEDIES[code] in reason.remedy


@pytest.mark.parametrize("code", OVER)
def test_a_pair_that_a_worker_spoilt_is_dropped_whole_and_the_others_decide(code: str) -> None:
    spoilt = loaded_by(worker_load(1, **OVER[code]), count=1)
    assert spoilt[0].usable == ()
    comparison = compare([*spoilt, *loaded_by(worker_load(1), count=16)[1:]], QUICK, THREE)
    assert comparison.verdict.word is Word.PASS
    assert comparison.pairs == 15


@pytest.mark.parametrize("code", OVER)
def test_a_threshold_of_the_scenario_moves_the_line(code: str) -> None:
    lenient = dataclasses.replace(
        QUICK, max_worker_cpu=0.98, max_core_wait=0.5, max_steal=0.2, max_gc_pause_ns=5 * NS_PER_MS
    )
    assert [one.code for one in worker_faults([worker_load(1, **OVER[code])], QUICK)] == [code]
    assert worker_faults([worker_load(1, **OVER[code])], lenient) == []


def test_idle_time_does_not_hide_a_busy_worker() -> None:
    """A bursty load: 30 % of its core on average, all of it in the bursts."""
    (reason,) = worker_faults([worker_load(1, cpu_share=0.3, busiest_share=0.99)], STANDARD)
    assert "99 % of its core" in reason.text


def test_the_worst_worker_is_named_and_the_others_are_counted() -> None:
    workers = [
        worker_load(number, busiest_share=share) for number, share in ((1, 0.91), (2, 0.99), (3, 0.95), (4, 0.2))
    ]
    (reason,) = worker_faults(workers, STANDARD)
    assert "worker 2 of agent agent-1 (and 2 more) used 99 %" in reason.text


def test_steal_on_the_rest_of_the_machine_counts_because_the_store_runs_there() -> None:
    (reason,) = worker_faults([worker_load(1, steal_share=0.0, host_steal_share=0.3)], STANDARD)
    assert reason.code == "steal"
    assert "all processor time on the machine of agent agent-1" in reason.text


def test_a_worker_that_used_up_its_core_is_busy_and_nobody_else_is_accused() -> None:
    """The kernel keeps 5 % of a core from real-time work."""
    (reason,) = worker_faults([worker_load(1, cpu_share=0.95, busiest_share=0.99, waiting_share=0.053)], STANDARD)
    assert reason.code == "generator_busy"


def test_an_ordinary_worker_without_a_core_is_told_of_real_time() -> None:
    (reason,) = worker_faults([worker_load(1, scheduling="ordinary", waiting_share=0.2)], STANDARD)
    assert "CAP_SYS_NICE" in reason.remedy


def test_workers_of_which_nothing_is_known_are_not_accused() -> None:
    assert worker_faults([WorkerLoad("a/1", LATE, LATE)], STANDARD) == []
    unknown = worker_load(1, waiting_share=None)
    assert worker_faults([unknown], STANDARD) == []


@given(USAGES)
def test_a_fault_is_found_just_where_a_threshold_is_crossed(usage: Usage) -> None:
    codes = {reason.code for reason in worker_faults([WorkerLoad("a/1", LATE, LATE, usage)], STANDARD)}
    crossed = {
        "generator_busy": usage.busiest_share > 0.9,
        "core_wait": (usage.waiting_share or 0) > 0.05 and min(usage.cpu_share, usage.busiest_share) <= 0.9,
        "steal": max(usage.steal_share, usage.host_steal_share) > 0.05,
        "gc_pause": usage.gc_pauses > 0 and usage.gc_longest_ns > 0,
    }
    assert codes == ({code for code, over in crossed.items() if over} if usage.known else set())


# --- lag -----------------------------------------------------------------------------------------------------------


def late_pair(*workers: WorkerLoad) -> Pair:
    (pair,) = pairs(1)
    couples = tuple(
        drop_laggards(dataclasses.replace(couple, base=dataclasses.replace(couple.base, lag=LATE)), QUICK)
        for couple in pair.couples
    )
    return dataclasses.replace(pair, couples=couples, workers=workers)


def test_a_couple_is_dropped_for_lag_in_either_arm() -> None:
    (pair,) = pairs(1)
    for arm in ("base", "candidate"):
        one = dataclasses.replace(
            pair.couples[0], **{arm: dataclasses.replace(getattr(pair.couples[0], arm), lag=LATE)}
        )
        assert drop_laggards(one, QUICK).dropped == "generator late"
    assert drop_laggards(pair.couples[0], QUICK).dropped == ""


def test_lag_of_a_worker_that_stood_still_says_so() -> None:
    still = worker_load(1, lag=LATE, standstill_ns=251 * NS_PER_MS)
    reason = spoilt_reason([late_pair(still, worker_load(2))], QUICK)
    assert reason is not None
    assert reason.code == "generator_lag"
    assert "worker 1 of agent agent-1 stood still for 251 ms without asking for a core" in reason.text
    assert "find what stopped it" in reason.remedy


def test_lag_without_a_known_cause_names_the_latest_of_several_workers() -> None:
    reason = spoilt_reason([late_pair(worker_load(1), worker_load(2, lag=LATE))], QUICK)
    assert reason is not None
    assert "the latest was worker 2 of agent agent-1" in reason.text
    assert "--workers" in reason.remedy


def test_pairs_that_nothing_spoilt_have_no_reason() -> None:
    assert spoilt_reason(pairs(3), QUICK) is None


# --- runs without a gate -------------------------------------------------------------------------------------------


def test_a_run_within_the_thresholds_has_no_problem() -> None:
    assert run_problems([worker_load()], arm_interval(), STANDARD) == []


def test_a_run_says_what_a_gate_would_say() -> None:
    late = arm_interval(lag=latencies(5 * NS_PER_MS, 1200))
    codes = [reason.code for reason in run_problems([worker_load(1, busiest_share=0.95)], late, STANDARD)]
    assert codes == ["generator_lag", "generator_busy"]
    unsent = arm_interval(sent=900)
    assert [reason.code for reason in run_problems([], unsent, STANDARD)] == ["offered_rate"]


# --- merging -------------------------------------------------------------------------------------------------------


def test_a_worker_over_several_pairs_keeps_its_peaks_and_adds_its_counts() -> None:
    (merged,) = WorkerLoad.merge([worker_load(1, busiest_share=0.5, standstill_ns=7), worker_load(1, gc_pauses=2)])
    assert merged.usage.busiest_share == 0.5
    assert merged.usage.standstill_ns == 7
    assert merged.usage.gc_pauses == 2
    assert merged.usage.involuntary_switches == 24
    assert merged.lag.total == 2400


def test_a_merge_weights_shares_by_the_loaded_time() -> None:
    parts = [worker_load(1, cpu_share=0.2, loaded_ns=3_000).usage, worker_load(1, cpu_share=0.6, loaded_ns=1_000).usage]
    assert Usage.merge(parts).cpu_share == pytest.approx(0.3)


@given(st.lists(USAGES, min_size=1, max_size=4))
def test_a_merge_of_usages_loses_no_count_and_no_peak(parts: list[Usage]) -> None:
    known = [part for part in parts if part.known]
    merged = Usage.merge(parts)
    assert merged.user_ns == sum(part.user_ns for part in known)
    assert merged.gc_pauses == sum(part.gc_pauses for part in known)
    assert merged.busiest_share == max((part.busiest_share for part in known), default=0.0)
    assert merged.standstill_ns == max((part.standstill_ns for part in known), default=0)
    assert 0 <= merged.cpu_share <= 1 + 1e-9


def test_one_ordinary_run_makes_a_worker_ordinary() -> None:
    parts = [worker_load(1).usage, worker_load(1, scheduling="ordinary", priority=0).usage]
    assert Usage.merge(parts).scheduling == "ordinary"


def test_a_label_names_worker_and_agent() -> None:
    empty = Histogram.of([NS_PER_US])
    assert WorkerLoad("local-1/2", empty, empty).label == "worker 2 of agent local-1"
    assert WorkerLoad("w", empty, empty).label == "worker w"
