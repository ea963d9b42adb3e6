"""Claims about when which arm is loaded."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from perfgate_controller.schedule import launch_order, schedule_pair, single_run, slice_length_ns

from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import policy_for
from perfgate.scenario import load_scenario
from perfgate.segment import Arm, SegmentKind, together
from perfgate.units import NS_PER_MS, NS_PER_S

SEEDS = st.integers(0, 2**64 - 1)
SLICE = 250 * NS_PER_MS
DUET = policy_for({}, "standard", mode="duet")


@given(SEEDS, st.integers(0, 40))
def test_both_slices_of_a_couple_get_the_same_window_of_the_plan(seed: int, number: int) -> None:
    schedule = schedule_pair(Policy(), SLICE, seed, number, 7 * NS_PER_S)
    couples: dict[int, list[tuple[Arm, int, int]]] = {}
    for segment in schedule.segments:
        if segment.kind is SegmentKind.MEASURED:
            couples.setdefault(segment.couple, []).append((segment.arm, segment.plan_start_ns, segment.plan_end_ns))
    assert len(couples) == 36
    for slices in couples.values():
        assert {arm for arm, _, _ in slices} == set(Arm)
        assert len({window for _, *window in [(a, s, e) for a, s, e in slices] for window in [tuple(window)]}) == 1


@given(SEEDS, st.integers(0, 40))
def test_segments_never_overlap_in_time(seed: int, number: int) -> None:
    segments = schedule_pair(Policy(), SLICE, seed, number, 0).segments
    assert all(later.offset_ns >= earlier.end_ns for earlier, later in pairwise(segments))
    assert [segment.number for segment in segments] == list(range(len(segments)))


@given(SEEDS)
def test_pairs_follow_each_other_in_the_plan_without_gap_or_overlap(seed: int) -> None:
    position = 0
    for number in range(6):
        schedule = schedule_pair(Policy(), SLICE, seed, number, position)
        windows = sorted({(segment.plan_start_ns, segment.plan_end_ns) for segment in schedule.segments})
        assert windows[0][0] == position
        assert all(later[0] == earlier[1] for earlier, later in pairwise(windows))
        position = schedule.plan_end_ns


@given(SEEDS, st.integers(0, 40), st.integers(0, 10**12))
def test_in_a_duet_both_arms_get_identical_windows_at_identical_times(seed: int, number: int, start_ns: int) -> None:
    schedule = schedule_pair(DUET, SLICE, seed, number, start_ns)
    by_arm = [
        [
            (one.kind, one.couple, one.plan_start_ns, one.plan_end_ns, one.offset_ns)
            for one in schedule.segments
            if one.arm is arm
        ]
        for arm in Arm
    ]
    assert by_arm[0] == by_arm[1]
    assert [segment.number for segment in schedule.segments] == list(range(len(schedule.segments)))
    assert all(len(group) == 2 for group in together(schedule.segments))


@given(SEEDS, st.integers(0, 40), st.integers(0, 10**12))
def test_a_duet_goes_through_the_plan_without_gap_or_overlap_in_plan_and_time(
    seed: int, number: int, start_ns: int
) -> None:
    schedule = schedule_pair(DUET, SLICE, seed, number, start_ns)
    base = [segment for segment in schedule.segments if segment.arm is Arm.BASE]
    assert (base[0].plan_start_ns, base[0].offset_ns) == (start_ns, 0)
    assert all(later.plan_start_ns == earlier.plan_end_ns for earlier, later in pairwise(base))
    assert all(later.offset_ns == earlier.end_ns for earlier, later in pairwise(base))
    assert schedule.duration_ns == schedule.plan_end_ns - start_ns == 20 * NS_PER_S
    assert sum(segment.duration_ns for segment in base if segment.kind is SegmentKind.MEASURED) == 16 * NS_PER_S


def test_a_duet_is_the_same_gate_otherwise() -> None:
    """Launch order, jitter and the first pair's longer warm-up do not depend on the mode."""
    duet, turns = (schedule_pair(policy, SLICE, 5, 0, 0) for policy in (DUET, Policy()))
    assert duet.arms == turns.arms
    assert 0 <= duet.jitter_ns < NS_PER_S // 4
    short = dataclasses.replace(DUET, warmup_ns=NS_PER_S)
    warmups = [schedule_pair(short, SLICE, 5, number, 0).segments[0].duration_ns for number in (0, 1)]
    assert warmups == [2 * NS_PER_S, NS_PER_S]


def test_the_standard_policy_sends_the_reference_scenarios_300_seconds_a_build() -> None:
    position = 0
    for number in range(30):
        position = schedule_pair(Policy(), SLICE, 1, number, position).plan_end_ns
    assert position == 301 * NS_PER_S  # 30 pairs of 1 s + 9 s, and one second more of warm-up in the first


@given(SEEDS, st.integers(0, 20))
def test_each_block_of_four_pairs_launches_both_builds_first_equally_often(seed: int, block: int) -> None:
    firsts = [launch_order(seed, 4 * block + position)[0] for position in range(4)]
    assert firsts.count(Arm.BASE) == 2


@given(SEEDS, st.integers(0, 40))
def test_a_schedule_is_a_pure_function_of_its_arguments(seed: int, number: int) -> None:
    assert schedule_pair(Policy(), SLICE, seed, number, 5) == schedule_pair(Policy(), SLICE, seed, number, 5)


def test_the_order_inside_couples_is_random_and_not_fixed() -> None:
    schedule = schedule_pair(Policy(), SLICE, 3, 1, 0)
    firsts = [schedule.first_of(couple) for couple in range(36)]
    assert 8 < firsts.count(Arm.BASE) < 28


def test_slices_grow_where_a_quarter_second_holds_too_few_requests() -> None:
    scenario = load_scenario("scenarios/ci/fast_regression_check.toml")
    assert slice_length_ns(Policy(), scenario, 1000.0) == SLICE
    assert slice_length_ns(Policy(), scenario, 100.0) == 2 * NS_PER_S


def test_slices_grow_where_they_are_shorter_than_twenty_expected_p99s() -> None:
    scenario = load_scenario("scenarios/ci/fast_regression_check.toml")
    slow = dataclasses.replace(
        scenario, validation=dataclasses.replace(scenario.validation, expected_p99_latency_ms=50.0)
    )
    assert slice_length_ns(Policy(), slow, 1000.0) == NS_PER_S


def test_a_single_run_measures_exactly_the_plan_and_warms_up_with_what_comes_after_it() -> None:
    warmup, measured = single_run(60 * NS_PER_S, 2 * NS_PER_S)
    assert (measured.plan_start_ns, measured.plan_end_ns) == (0, 60 * NS_PER_S)
    assert (warmup.plan_start_ns, warmup.plan_end_ns) == (60 * NS_PER_S, 62 * NS_PER_S)
    assert measured.offset_ns == warmup.end_ns
