"""Claims about policies: defaults, `[gate]`, the command line, and what is refused."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from perfgate.errors import InputError
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import QUICK, STANDARD, blind_spots, check_policy, policy_for, run_policy
from perfgate.units import NS_PER_MS, NS_PER_S


def test_nothing_said_is_the_standard_policy() -> None:
    assert policy_for({}) == STANDARD == Policy()


def test_gate_settings_carry_their_units() -> None:
    policy = policy_for({"floor_ms": 0.5, "slice_ms": 100, "measured_seconds": 3, "warmup_seconds": 0.25})
    assert policy.floor_ns == NS_PER_MS // 2
    assert policy.slice_ns == 100 * NS_PER_MS
    assert policy.measured_ns == 3 * NS_PER_S
    assert policy.warmup_ns == NS_PER_S // 4


def test_the_command_line_wins_over_the_file() -> None:
    assert policy_for({"margin": 0.02}, margin=0.08).margin == 0.08


def test_another_policy_than_the_files_does_not_take_the_files_settings() -> None:
    assert policy_for({"policy": "standard", "looks": [20, 40]}, "quick") == QUICK
    assert policy_for({"policy": "quick", "looks": [6, 12]}, "quick").looks == (6, 12)


def test_competitive_has_its_own_margin_unless_one_is_given() -> None:
    assert policy_for({"competitive": True}).margin == 0.10
    assert policy_for({"competitive": True, "margin": 0.2}).margin == 0.2


def test_fewer_looks_pull_the_quick_policys_least_pairs_along() -> None:
    policy = policy_for({"policy": "quick", "looks": [4, 6]})
    assert (policy.min_pairs, policy.pass_from) == (4, 6)


@pytest.mark.parametrize("name", ["standard", "quick"])
def test_a_duet_takes_no_longer_a_pair_than_alternation_does(name: str) -> None:
    duet, alternation = policy_for({"policy": name, "mode": "duet"}), policy_for({"policy": name})
    assert alternation.mode == "alternation"
    assert duet.warmup_ns + duet.measured_ns == 2 * (alternation.warmup_ns + alternation.measured_ns)
    assert duet.measured_ns > alternation.measured_ns


def test_a_duet_may_go_on_to_36_pairs_of_16_seconds_after_4() -> None:
    duet = policy_for({}, mode="duet")
    assert (duet.looks[-1], duet.measured_ns, duet.warmup_ns) == (36, 16 * NS_PER_S, 4 * NS_PER_S)
    assert policy_for({"mode": "duet", "looks": (12, 20), "measured_seconds": 8}).looks == (12, 20)


@pytest.mark.parametrize("policy", [STANDARD, QUICK])
def test_the_named_policies_can_work(policy: Policy) -> None:
    check_policy(policy)


def test_the_quick_policy_says_what_it_cannot_see() -> None:
    assert "10 %" in blind_spots(QUICK)
    assert "stalls" in blind_spots(QUICK)
    assert blind_spots(STANDARD) == ""


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"policy": "fast"}, ["'fast'", "standard, quick"]),
        ({"colour": 1}, ["colour", "margin"]),
        ({"margin": 0}, ["margin = 0", "0.05 is 5 %"]),
        ({"margin": -0.1}, ["margin = -0.1"]),
        ({"margin": math.nan}, ["margin = nan"]),
        ({"alpha_block": 0}, ["alpha_block = 0", "0.005"]),
        ({"alpha_block": 1e-300}, ["alpha_block = 1e-300", "1e-09"]),
        ({"group_keeps": 0}, ["group_keeps = 0"]),
        ({"group_keeps": 1.1}, ["group_keeps = 1.1"]),
        ({"alpha_pass": 0.5}, ["alpha_pass = 0.5"]),
        ({"alpha_quality": -1}, ["alpha_quality = -1"]),
        ({"looks": []}, ["looks = []"]),
        ({"looks": [12, 12]}, ["looks = [12, 12]", "must rise"]),
        ({"looks": [20, 12]}, ["looks = [20, 12]", "must rise"]),
        ({"looks": [1, 30]}, ["looks = [1, 30]", "2 or more"]),
        ({"looks": [6, 10]}, ["looks = [6, 10]", "min_pairs = 12", "quick"]),
        ({"pass_from": 40}, ["pass_from = 40", "let them go on to 40"]),
        ({"min_pairs": 1}, ["min_pairs = 1"]),
        ({"trim": 0.5}, ["trim = 0.5"]),
        ({"trim": 0.49}, ["trim = 0.49", "0.25"]),
        ({"couple_trim": -0.1}, ["couple_trim = -0.1"]),
        ({"primary_share": 1.0}, ["primary_share = 1.0"]),
        ({"operation_margin_factor": 0.5}, ["operation_margin_factor = 0.5"]),
        ({"slice_ms": 0}, ["slice_ms"]),
        ({"measured_seconds": 0.1}, ["measured_seconds = 0.1", "250 ms"]),
        ({"measured_seconds": math.inf}, ["measured_seconds"]),
        ({"warmup_seconds": -1}, ["warmup_seconds"]),
        ({"floor_ms": -1}, ["floor_ms"]),
        ({"max_lag_p99_ms": 0}, ["max_lag_p99_ms"]),
        ({"min_offered": 0}, ["min_offered"]),
        ({"max_worker_cpu": 0}, ["max_worker_cpu = 0", "0.9 is the standard"]),
        ({"max_worker_cpu": 90}, ["max_worker_cpu = 90", "at most 1"]),
        ({"max_core_wait": math.nan}, ["max_core_wait = nan"]),
        ({"max_steal": -0.1}, ["max_steal = -0.1", "0.05"]),
        ({"max_gc_pause_ms": -1}, ["max_gc_pause_ms", "0 (no collection in a slice)"]),
        ({"inconclusive": "ignore"}, ["'ignore'", "warn or block"]),
        ({"mode": "both"}, ["'both'", "alternation", "duet"]),
        ({"max_leak": 0}, ["max_leak = 0", "0.1"]),
    ],
)
def test_a_policy_that_cannot_work_is_refused_with_the_remedy(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        policy_for(settings)
    for word in words:
        assert word in str(refusal.value)


def test_a_run_is_held_to_the_gates_thresholds_for_the_generator_and_to_nothing_else() -> None:
    policy = run_policy({"policy": "quick", "max_worker_cpu": 0.5, "max_gc_pause_ms": 2, "looks": (3,), "margin": 0.3})
    assert (policy.max_worker_cpu, policy.max_gc_pause_ns) == (0.5, 2 * NS_PER_MS)
    assert (policy.looks, policy.margin) == (QUICK.looks, QUICK.margin)
    with pytest.raises(InputError, match="max_steal = 7"):
        run_policy({"max_steal": 7})


def test_every_field_can_be_set() -> None:
    for field in dataclasses.fields(Policy):
        if field.name != "name":
            assert getattr(policy_for({}, **{field.name: getattr(STANDARD, field.name)}), field.name) is not None
