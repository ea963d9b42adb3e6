"""Claims about the decision."""

from __future__ import annotations

import dataclasses
import math

import pytest
from pairs import OPERATIONS, World, make_pairs

from perfgate.errors import InputError
from perfgate.gate.compare import compare, invalid, look_due
from perfgate.gate.comparison import Comparison
from perfgate.gate.effect import Finding
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import QUICK, policy_for
from perfgate.gate.verdict import Reason, Verdict, Word
from perfgate.operation import Operation
from perfgate.scenario.model import ValidationSpec
from perfgate.segment import Arm

SEARCH = Operation.EMBEDDING_SEARCH
LIMITS = ValidationSpec(10.0, 100.0, 0.01)


def decide(world: World, pairs: int = 20, policy: Policy = Policy(), seed: int = 1) -> Comparison:  # noqa: B008
    return compare(make_pairs(pairs, world, seed), policy, OPERATIONS)


def codes(comparison: Comparison) -> list[str]:
    return [reason.code for reason in comparison.verdict.reasons]


def test_the_same_build_against_itself_passes() -> None:
    comparison = decide(World())
    assert comparison.verdict.word is Word.PASS
    assert comparison.verdict.exit_code == 0
    assert comparison.final


def test_a_slower_search_is_blocked_and_named_first() -> None:
    comparison = decide(World(factor={SEARCH: 1.2}))
    assert comparison.verdict.word is Word.BLOCK
    assert comparison.verdict.exit_code == 1
    assert comparison.verdict.reasons[0].metric == "embedding_search p99"
    assert comparison.effect("embedding_search p99").finding is Finding.REGRESSED
    assert comparison.effect("store p99").finding is not Finding.REGRESSED


def test_a_faster_search_is_improved_and_never_blocked() -> None:
    comparison = decide(World(factor={SEARCH: 0.8}))
    assert comparison.verdict.word is Word.PASS
    assert comparison.effect("embedding_search p99").finding is Finding.IMPROVED
    assert "improved" in codes(comparison)


def test_a_slower_tail_alone_names_p99_and_leaves_p50_alone() -> None:
    comparison = decide(World(tail_factor={SEARCH: 1.3}))
    assert comparison.verdict.word is Word.BLOCK
    assert comparison.effect("embedding_search p99").finding is Finding.REGRESSED
    assert comparison.effect("embedding_search p50").finding is not Finding.REGRESSED


def test_errors_that_rise_while_latency_falls_block() -> None:
    comparison = decide(World(factor=dict.fromkeys(OPERATIONS, 0.7), failing={Arm.CANDIDATE: 0.02}))
    assert comparison.verdict.word is Word.BLOCK
    assert comparison.verdict.reasons[0].code == "errors"


def test_recall_that_falls_while_latency_falls_blocks() -> None:
    comparison = decide(World(factor={SEARCH: 0.7}, recall={Arm.CANDIDATE: 0.90}))
    assert comparison.verdict.word is Word.BLOCK
    assert comparison.verdict.reasons[0].code == "recall"
    assert "points lost" in comparison.verdict.reasons[0].text


def test_the_same_errors_in_both_arms_do_not_block() -> None:
    comparison = decide(World(failing={Arm.BASE: 0.02, Arm.CANDIDATE: 0.02}))
    assert comparison.verdict.word is Word.PASS


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_requests_that_fail_in_both_arms_are_never_a_pass(share: float) -> None:
    comparison = decide(World(failing={Arm.BASE: share, Arm.CANDIDATE: share}))
    assert comparison.verdict.word is Word.INVALID
    assert comparison.verdict.exit_code == 3
    assert codes(comparison)[0] in ("failing", "empty_operation")


def test_a_candidate_whose_requests_all_fail_is_blocked() -> None:
    comparison = decide(World(failing={Arm.CANDIDATE: 1.0}))
    assert comparison.verdict.word is Word.BLOCK
    assert comparison.verdict.reasons[0].code == "errors"


def test_an_operation_without_a_single_answer_is_never_a_pass() -> None:
    comparison = decide(World(silent=(Operation.RECALL,)))
    assert comparison.verdict.word is Word.INVALID
    assert codes(comparison) == ["empty_operation"]
    assert "recall" in comparison.verdict.reasons[0].text


def test_a_late_generator_makes_the_measurement_invalid() -> None:
    comparison = decide(World(lag_ns=3_000_000), pairs=30)
    assert comparison.verdict.word is Word.INVALID
    assert "generator_lag" in codes(comparison)
    assert "late" in comparison.verdict.reasons[0].text


def test_too_few_pairs_at_the_end_are_invalid_and_before_it_undecided() -> None:
    pairs = make_pairs(5)
    assert compare(pairs, Policy(), OPERATIONS).verdict.word is Word.INCONCLUSIVE
    assert not compare(pairs, Policy(), OPERATIONS).final
    ended = compare(pairs, Policy(), OPERATIONS, out_of_time=True)
    assert (ended.verdict.word, ended.final) == (Word.INVALID, True)


def test_no_pass_comes_before_the_policy_allows_one() -> None:
    assert decide(World(), pairs=16).verdict.word is Word.INCONCLUSIVE
    assert decide(World(), pairs=8, policy=QUICK).verdict.word is Word.PASS


def test_noise_that_hides_a_regression_is_inconclusive_and_says_what_would_help() -> None:
    comparison = decide(World(factor={SEARCH: 1.06}, restart_sd=0.3), pairs=30, seed=2)
    assert comparison.verdict.word is Word.INCONCLUSIVE
    assert comparison.verdict.exit_code == 4
    assert comparison.final
    assert comparison.verdict.reasons[0].remedy


def test_starts_that_fall_into_two_groups_are_inconclusive() -> None:
    slow = make_pairs(20, World(factor=dict.fromkeys(OPERATIONS, 1.5)), seed=3)
    same = make_pairs(20, World(), seed=4)
    mixed = [(slow if number % 2 else same)[number] for number in range(20)]
    comparison = compare(mixed, Policy(), OPERATIONS)
    assert comparison.verdict.word is Word.INCONCLUSIVE
    assert codes(comparison)[0] == "bimodal"


def test_a_third_of_the_pairs_spoilt_by_bursts_is_no_bimodality() -> None:
    clean = make_pairs(20, World(), seed=5)
    spoilt = make_pairs(20, World(tail_factor={SEARCH: 4.0}), seed=6)
    mixed = [(spoilt if number % 3 == 0 else clean)[number] for number in range(20)]
    assert "bimodal" not in codes(compare(mixed, Policy(trim=0.25), OPERATIONS))


def test_exchanging_the_arms_turns_the_sign_of_every_latency_effect() -> None:
    pairs = make_pairs(12, World(factor={SEARCH: 1.1}))
    turned = [
        dataclasses.replace(
            pair,
            couples=tuple(
                dataclasses.replace(couple, base=couple.candidate, candidate=couple.base) for couple in pair.couples
            ),
        )
        for pair in pairs
    ]
    there, back = compare(pairs, Policy(), OPERATIONS), compare(turned, Policy(), OPERATIONS)
    for effect in there.effects:
        if effect.statistic.startswith("p"):
            assert back.effect(effect.name).estimate == pytest.approx(-effect.estimate, abs=1e-12)


def test_an_absolute_limit_that_only_the_candidate_misses_blocks() -> None:
    limits = ValidationSpec(3.0, None, None)  # the base's pooled p99 is near 2.5 ms
    pairs = make_pairs(20, World(factor=dict.fromkeys(OPERATIONS, 1.5)))
    comparison = compare(pairs, Policy(margin=9.0), OPERATIONS, validation=limits)
    assert comparison.verdict.word is Word.BLOCK
    assert codes(comparison) == ["absolute_limit"]


def test_an_absolute_limit_that_both_miss_does_not_block() -> None:
    limits = ValidationSpec(0.5, None, None)
    comparison = compare(make_pairs(20), Policy(), OPERATIONS, validation=limits)
    assert comparison.verdict.word is Word.PASS


def test_samples_above_the_range_are_counted_and_move_the_tail() -> None:
    from perfgate.histogram import Histogram

    pairs = make_pairs(1)
    part = pairs[0].couples[0].base.operations[SEARCH]
    spoilt = dataclasses.replace(part, response=part.response + Histogram.of([2 * 3_600_000_000_000]))
    assert spoilt.response.overflow == 1
    assert spoilt.response.total == part.response.total + 1
    assert spoilt.response.quantile(1.0) == 2 * 3_600_000_000_000


def test_nothing_blocks_below_the_absolute_floor() -> None:
    policy = dataclasses.replace(Policy(), floor_ns=50_000_000)
    assert decide(World(factor={SEARCH: 1.2}), policy=policy).verdict.word is not Word.BLOCK


def test_the_family_of_metrics_shares_one_error() -> None:
    effects = decide(World()).effects
    latency = [effect for effect in effects if effect.statistic in ("p50", "p95", "p99") and effect.operation]
    assert len(latency) == 9
    promised = Policy().alpha_block
    assert sum(promised * effect.p_nominal / effect.p_adjusted for effect in latency if effect.p_adjusted < 1) <= promised


def test_dropped_couples_do_not_count_and_half_of_a_pair_must_remain() -> None:
    pairs = make_pairs(20)
    spoilt = [
        dataclasses.replace(
            pair, couples=tuple(dataclasses.replace(couple, dropped="generator late") for couple in pair.couples)
        )
        for pair in pairs[:10]
    ]
    comparison = compare([*spoilt, *pairs[10:]], Policy(), OPERATIONS, out_of_time=True)
    assert comparison.pairs == 10
    assert comparison.verdict.word is Word.INVALID


def test_the_exit_code_is_a_function_of_the_verdict_alone() -> None:
    reason = (Reason("x", "x"),)
    table = {
        (word, competitive): Verdict(word, reason, competitive).exit_code for word in Word for competitive in (False, True)
    }
    assert table == {
        (Word.PASS, False): 0, (Word.PASS, True): 0, (Word.BLOCK, False): 1, (Word.BLOCK, True): 2,
        (Word.INVALID, False): 3, (Word.INVALID, True): 3, (Word.INCONCLUSIVE, False): 4, (Word.INCONCLUSIVE, True): 4,
    }  # fmt: skip


def test_looks_are_taken_only_where_the_policy_plans_them() -> None:
    assert [pairs for pairs in range(1, 33) if look_due(pairs, Policy())] == [12, 16, 20, 24, 30, 31, 32]


def test_a_broken_off_gate_is_invalid_with_its_reason() -> None:
    comparison = invalid(Policy(), [], "agent_lost", "agent a was lost", "look at it")
    assert (comparison.verdict.word, comparison.verdict.exit_code) == (Word.INVALID, 3)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"margin": -0.1}, "margin"),
        ({"looks": (5, 3)}, "looks"),
        ({"looks": (2, 4)}, "looks"),
        ({"trim": 0.6}, "trim"),
        ({"measured_seconds": 0.1}, "measured_seconds"),
        ({"policy": "strict"}, "gate.policy"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_by_its_field(settings: dict[str, object], names: str) -> None:
    with pytest.raises(InputError, match=names):
        policy_for(settings)


def test_settings_change_the_policy_they_belong_to() -> None:
    gate = {"policy": "quick", "margin": 0.2, "slice_ms": 100, "floor_ms": 0.5}
    policy = policy_for(gate)
    assert (policy.name, policy.margin, policy.slice_ns, policy.floor_ns) == ("quick", 0.2, 100_000_000, 500_000)
    assert policy_for(gate, "standard") == Policy()
    assert policy_for({}, margin=0.07).margin == 0.07


def test_intervals_of_the_report_contain_the_truth() -> None:
    effect = decide(World(factor={SEARCH: 1.2})).effect("embedding_search p99")
    assert effect.lower is not None
    assert effect.upper is not None
    assert effect.lower < math.log(1.2) < effect.upper
