"""Claims about verdicts: what must block, what must not, and what must not be judged at all."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from gate_values import RECALL, SAME, SEARCH, STORE, THREE, Build, pairs
from hypothesis import given, settings
from hypothesis import strategies as st

from perfgate.gate.compare import compare, invalid, look_due
from perfgate.gate.comparison import Comparison
from perfgate.gate.decision import decide
from perfgate.gate.effect import Finding
from perfgate.gate.latency import latency_effects
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import QUICK, STANDARD
from perfgate.gate.verdict import Word
from perfgate.interval import Interval
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.pair import Pair
from perfgate.scenario.model import ValidationSpec
from perfgate.segment import Arm
from perfgate.stats.trimmed import trimmed_mean

NOISY = Build(levels=(0.35, -0.25, 0.1, -0.07, 0.27, -0.16, 0.19, 0.01))
RARE = Operation.PATTERN_COMPLETION


def judged(candidate: Build = SAME, base: Build = SAME, count: int = 16, policy: Policy = QUICK) -> Comparison:
    return compare(pairs(count, candidate, base), policy, THREE)


def codes(comparison: Comparison) -> list[str]:
    return [reason.code for reason in comparison.verdict.reasons]


# --- what a developer relies on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_the_same_build_passes(seed: int) -> None:
    comparison = compare(pairs(8, seed=seed), QUICK, THREE)
    assert comparison.verdict.word is Word.PASS
    assert comparison.final


def test_a_slower_operation_blocks_and_comes_first() -> None:
    comparison = judged(Build(slower={SEARCH: 1.2, STORE: 1.13}))
    assert comparison.verdict.word is Word.BLOCK
    assert comparison.verdict.exit_code == 1
    first = comparison.verdict.reasons[0]
    assert first.metric == "embedding_search p99"
    assert "1.2" in first.text
    assert "over the margin of 10 %" in first.text


def _standard_gate(shift: float, sd: float, keeps: float) -> Word:
    """30 pairs of three operations whose p50, p95 and p99 all differ by `shift` on the average, exactly."""
    noise = np.random.default_rng(3).normal(0, sd, (30, 3, 3))
    noise += shift - np.array([[trimmed_mean(noise[:, one, two], 0.1) for two in range(3)] for one in range(3)])
    policy = dataclasses.replace(STANDARD, group_keeps=keeps)
    return decide(latency_effects(noise, policy, THREE), policy, THREE, 30)


def test_a_pass_rules_out_the_true_margin_and_not_only_what_groups_show_of_it() -> None:
    """The bound lies between 94 % of the margin and the margin: where groups hide some of a change, that proves nothing."""
    shift = 0.97 * math.log(1.05) - 0.0035  # what one-sided 95 % adds at this spread, over the looks
    words = [_standard_gate(shift, 0.02, keeps) for keeps in (1.0, STANDARD.group_keeps)]
    assert words == [Word.PASS, Word.INCONCLUSIVE]


@given(st.floats(0.0, 0.06), st.floats(0.005, 0.1), st.floats(0.5, 1.0))
@settings(max_examples=30, deadline=None)
def test_what_groups_hide_never_makes_a_pass_of_what_is_none(shift: float, sd: float, keeps: float) -> None:
    if _standard_gate(shift, sd, 1.0) is not Word.PASS:
        assert _standard_gate(shift, sd, keeps) is not Word.PASS
    assert (_standard_gate(shift, sd, 1.0) is Word.BLOCK) == (_standard_gate(shift, sd, keeps) is Word.BLOCK)


def test_the_operation_that_lost_most_time_comes_before_one_that_lost_a_larger_share_of_less() -> None:
    """On a store with one thread the fast operations wait for the slow one: their ratios can be the larger ones."""
    comparison = judged(Build(slower={SEARCH: 1.2, STORE: 1.3}))
    assert comparison.verdict.reasons[0].metric == "embedding_search p99"


@pytest.mark.parametrize("operation", THREE)
def test_a_slower_tail_alone_names_the_p99(operation: Operation) -> None:
    comparison = judged(Build(tail={operation: 1.4}))
    assert comparison.verdict.word is Word.BLOCK
    assert [reason.metric for reason in comparison.verdict.reasons] == [f"{operation.value} p99"]


def test_a_candidate_ten_percent_faster_is_improved_and_never_blocked() -> None:
    comparison = judged(Build(slower=dict.fromkeys(THREE, 0.9)), count=30, policy=STANDARD)
    assert comparison.verdict.word is Word.PASS
    assert "improved" in codes(comparison)
    assert comparison.effect("embedding_search p99").finding is Finding.IMPROVED


def test_a_regression_within_the_margin_does_not_block() -> None:
    assert judged(Build(slower={SEARCH: 1.03}), count=30, policy=STANDARD).verdict.word is Word.PASS


def test_a_difference_under_the_absolute_floor_does_not_matter_and_one_above_it_does() -> None:
    slow = Build(slower={SEARCH: 1.3})
    assert judged(slow).verdict.word is Word.BLOCK
    assert judged(slow, policy=dataclasses.replace(QUICK, floor_ns=5_000_000)).verdict.word is Word.PASS
    far = judged(Build(slower={SEARCH: 3.0}), policy=dataclasses.replace(QUICK, floor_ns=1_000_000))
    assert far.verdict.word is Word.BLOCK


def test_a_block_names_the_floor_where_the_floor_is_what_was_crossed() -> None:
    effect = next(one for one in judged(Build(slower={SEARCH: 3.0})).effects if one.finding is Finding.REGRESSED)
    floor = dataclasses.replace(QUICK, floor_ns=round(effect.base_ns * 0.5))
    found = judged(Build(slower={SEARCH: 3.0}), policy=floor)
    named = {reason.metric: reason.text for reason in found.verdict.reasons}
    assert "over the absolute floor of" in named[effect.name]
    assert floor.margin_at(effect.base_ns) == pytest.approx(0.5, abs=1e-6)
    assert floor.margin_at(0.0) == floor.margin


def test_a_competitive_block_exits_with_two() -> None:
    assert (
        judged(Build(slower={SEARCH: 1.3}), policy=dataclasses.replace(QUICK, competitive=True)).verdict.exit_code == 2
    )


def test_a_metric_of_the_tail_of_one_operation_is_not_diluted_by_the_others() -> None:
    comparison = judged(Build(slower={SEARCH: 1.15, STORE: 0.8, RECALL: 0.8}), count=30, policy=STANDARD)
    assert comparison.verdict.word is Word.BLOCK


# --- better numbers for worse answers ------------------------------------------------------------------------------


def test_recall_that_falls_while_latency_falls_blocks() -> None:
    comparison = judged(Build(slower=dict.fromkeys(THREE, 0.7), found=385), base=Build(found=392))
    assert comparison.verdict.word is Word.BLOCK
    assert codes(comparison)[0] == "recall"
    assert "96.2 %" in comparison.verdict.reasons[0].text


def test_recall_that_falls_by_less_than_its_margin_does_not_block() -> None:
    assert judged(Build(found=391)).verdict.word is Word.PASS


def test_errors_that_rise_while_latency_falls_block() -> None:
    comparison = judged(Build(slower=dict.fromkeys(THREE, 0.7), failing={STORE: 0.02}))
    assert comparison.verdict.word is Word.BLOCK
    assert codes(comparison)[0] == "errors"


def test_errors_of_both_on_the_same_scale_do_not_block() -> None:
    comparison = judged(Build(failing={STORE: 0.02}), Build(failing={STORE: 0.02}))
    assert comparison.verdict.word in (Word.PASS, Word.INCONCLUSIVE)


def test_a_candidate_that_fails_everything_blocks() -> None:
    comparison = judged(Build(failing=dict.fromkeys(THREE, 1.0)))
    assert comparison.verdict.word is Word.BLOCK
    assert set(codes(comparison)) == {"errors"}


def test_a_candidate_that_never_answers_a_rare_operation_blocks() -> None:
    made = pairs(16, Build(failing={RARE: 1.0}), operations=(*THREE, RARE))
    comparison = compare([_thin_out(pair, RARE) for pair in made], QUICK, (*THREE, RARE))
    assert comparison.verdict.word is Word.BLOCK
    assert "not one pattern_completion" in comparison.verdict.reasons[0].text


def test_failures_beyond_the_identities_that_are_kept_still_count() -> None:
    made = [_forget_identities(pair) for pair in pairs(16, Build(failing={STORE: 0.02}))]
    assert compare(made, QUICK, THREE).verdict.word is Word.BLOCK


# --- no evidence is never a pass -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 8, 16])
def test_builds_that_both_fail_everything_are_invalid(count: int) -> None:
    dead = Build(failing=dict.fromkeys(THREE, 1.0))
    comparison = compare(pairs(count, dead, dead), QUICK, THREE, out_of_time=True)
    assert comparison.verdict.word is Word.INVALID
    assert codes(comparison)[0] == "failing"
    assert "bad status: 503" in comparison.verdict.reasons[0].text
    assert comparison.verdict.exit_code == 3


def test_builds_that_both_miss_the_scenarios_error_rate_are_invalid() -> None:
    failing = Build(failing={STORE: 0.09})
    made = pairs(16, failing, failing)
    assert compare(made, QUICK, THREE, ValidationSpec(None, None, 0.01)).verdict.word is Word.INVALID
    assert compare(made, QUICK, THREE, ValidationSpec(None, None, 0.2)).verdict.word is not Word.INVALID


@pytest.mark.parametrize("operations", [THREE, (*THREE, RARE)])
def test_an_operation_without_samples_is_invalid(operations: tuple[Operation, ...]) -> None:
    silent = operations[-1]
    made = pairs(16, Build(failing={silent: 1.0}), Build(failing={silent: 1.0}))
    comparison = compare(made, QUICK, operations, ValidationSpec(None, None, None))
    assert comparison.verdict.word is Word.INVALID
    assert {"empty_operation", "failing"} & set(codes(comparison))


@pytest.mark.parametrize("count", [0, 1, 7])
def test_too_few_pairs_at_the_end_are_invalid(count: int) -> None:
    comparison = compare(pairs(count), QUICK, THREE, out_of_time=True)
    assert comparison.verdict.word is Word.INVALID
    assert "too_few_pairs" in codes(comparison)
    assert comparison.final


def test_too_few_pairs_before_the_end_ask_for_more() -> None:
    comparison = compare(pairs(7, Build(slower={SEARCH: 3.0})), QUICK, THREE)
    assert comparison.verdict.word is Word.INCONCLUSIVE
    assert not comparison.final


def test_pairs_whose_couples_were_mostly_dropped_do_not_count() -> None:
    comparison = compare([_drop(pair, 3) for pair in pairs(16)], QUICK, THREE)
    assert comparison.verdict.word is Word.INVALID
    assert codes(comparison) == ["generator_lag"]
    assert comparison.pairs == 0


def test_a_late_generator_is_invalid() -> None:
    strict = dataclasses.replace(QUICK, max_lag_p99_ns=10_000)
    assert codes(judged(policy=strict)) == ["generator_lag"]


def test_an_offered_rate_that_the_generator_missed_is_invalid() -> None:
    comparison = judged(Build(sent=0.9), Build(sent=0.9))
    assert comparison.verdict.word is Word.INVALID
    assert codes(comparison) == ["offered_rate"]


def test_a_base_that_was_cut_is_invalid() -> None:
    cut = Build(failing={STORE: 0.04}, outcome=Outcome.ABANDONED)
    assert codes(judged(base=cut)) == ["saturated"]


def test_a_candidate_that_is_cut_again_and_again_blocks() -> None:
    cut = Build(failing={STORE: 0.04}, outcome=Outcome.ABANDONED)
    assert judged(cut).verdict.word is Word.BLOCK


def test_an_arm_that_got_fewer_requests_is_invalid() -> None:
    made = [_lose_due(pair, 0.95) for pair in pairs(16)]
    assert codes(compare(made, QUICK, THREE)) == ["uneven"]


def test_samples_above_the_range_count_as_the_slowest() -> None:
    comparison = judged(Build(beyond=4))
    assert comparison.verdict.word is Word.BLOCK
    assert {reason.metric for reason in comparison.verdict.reasons} >= {f"{name.value} p99" for name in THREE}


def test_what_broke_off_is_invalid_and_final() -> None:
    comparison = invalid(QUICK, pairs(2), "agent_lost", "the agent is gone", "start it again")
    assert (comparison.verdict.word, comparison.final, comparison.pairs) == (Word.INVALID, True, 2)
    assert comparison.verdict.exit_code == 3


# --- undecided -----------------------------------------------------------------------------------------------------


def test_starts_in_two_states_are_inconclusive() -> None:
    two = Build(levels=(0.0, 0.25, 0.25, 0.0, 0.0, 0.25))
    comparison = judged(two)
    assert comparison.verdict.word is Word.INCONCLUSIVE
    assert codes(comparison)[0] == "bimodal"


def test_starts_in_two_states_of_both_builds_are_inconclusive() -> None:
    comparison = judged(Build(levels=(0.0, 0.25, 0.25)), Build(levels=(0.25, 0.0)))
    assert codes(comparison)[0] == "bimodal"


def test_a_third_of_the_pairs_spoilt_by_bursts_is_not_called_bimodal() -> None:
    burst = Build(levels=(0.0, 0.01, 0.6, -0.01, 0.004, 0.31, 0.002, 0.0, 1.0, 0.02))
    assert "bimodal" not in codes(judged(burst))


def test_noise_that_hides_the_margin_is_inconclusive_and_says_what_would_help() -> None:
    comparison = judged(NOISY)
    assert comparison.verdict.word is Word.INCONCLUSIVE
    assert comparison.verdict.exit_code == 4
    assert comparison.final
    assert "more pairs" in comparison.verdict.reasons[0].remedy


def test_before_pass_is_allowed_nothing_passes() -> None:
    comparison = compare(pairs(16), STANDARD, THREE)
    assert (comparison.verdict.word, comparison.final) == (Word.INCONCLUSIVE, False)
    assert "PASS needs 20" in comparison.verdict.reasons[0].text


# --- absolute limits -----------------------------------------------------------------------------------------------

LIMIT = ValidationSpec(expected_p99_latency_ms=3.42, expected_throughput_ops_sec=None, max_error_rate=None)


def test_a_limit_that_only_the_candidate_misses_blocks_even_within_the_margin() -> None:
    wide = dataclasses.replace(QUICK, margin=0.2)
    comparison = compare(pairs(16, Build(slower=dict.fromkeys(THREE, 1.095)), couples=8), wide, THREE, LIMIT)
    assert comparison.verdict.word is Word.BLOCK
    assert codes(comparison) == ["absolute_limit"]
    assert "validation.expected_p99_latency_ms = 3.42 ms" in comparison.verdict.reasons[0].text


def test_a_limit_that_the_candidate_misses_by_chance_holds_the_pass() -> None:
    made = pairs(8, Build(slower=dict.fromkeys(THREE, 1.095)), couples=8)
    comparison = compare(made, QUICK, THREE, LIMIT)
    assert comparison.verdict.word is Word.INCONCLUSIVE
    assert codes(comparison)[0] == "absolute_limit"


def test_a_limit_that_both_miss_is_said_and_not_held_against_the_candidate() -> None:
    tight = dataclasses.replace(LIMIT, expected_p99_latency_ms=0.5)
    comparison = compare(pairs(16), QUICK, THREE, tight)
    assert comparison.verdict.word is Word.PASS
    assert any("both builds miss validation.expected_p99_latency_ms" in note for note in comparison.notes)


# --- looks and intervals -------------------------------------------------------------------------------------------


def test_looks_are_due_as_planned_and_at_every_pair_after_the_last() -> None:
    assert [pair for pair in range(1, 34) if look_due(pair, STANDARD)] == [12, 16, 20, 24, 30, 31, 32, 33]


def test_the_last_look_is_final_whatever_it_says() -> None:
    made = pairs(16, NOISY)
    assert compare(made, QUICK, THREE).final
    assert not compare(made[:12], QUICK, THREE).final
    assert compare(made[:12], QUICK, THREE, out_of_time=True).final


TABLES = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(0.03, 0.06, (20, 3, 3)))


@settings(max_examples=25, deadline=None)
@given(TABLES)
def test_exchanging_the_arms_mirrors_every_interval(table: np.ndarray) -> None:
    for one, other in zip(
        latency_effects(table, STANDARD, THREE), latency_effects(-table, STANDARD, THREE), strict=True
    ):
        assert one.lower is not None
        assert other.upper is not None
        assert one.estimate == pytest.approx(-other.estimate)
        assert one.lower == pytest.approx(-other.upper)


@settings(max_examples=25, deadline=None)
@given(TABLES, st.floats(1.5, 20))
def test_a_smaller_alpha_never_turns_an_open_metric_into_a_block(table: np.ndarray, factor: float) -> None:
    strict = dataclasses.replace(STANDARD, alpha_block=STANDARD.alpha_block / factor)
    for loose, tight in zip(
        latency_effects(table, STANDARD, THREE), latency_effects(table, strict, THREE), strict=True
    ):
        assert tight.finding is not Finding.REGRESSED or loose.finding is Finding.REGRESSED
        assert (tight.lower or 0.0) <= (loose.lower or 0.0)


@settings(max_examples=25, deadline=None)
@given(TABLES, st.floats(0.0, 0.3))
def test_a_slower_candidate_never_has_a_lower_estimate_or_a_larger_p(table: np.ndarray, slower: float) -> None:
    pairs_of = zip(
        latency_effects(table, STANDARD, THREE), latency_effects(table + slower, STANDARD, THREE), strict=True
    )
    for before, after in pairs_of:
        assert after.estimate >= before.estimate - 1e-12
        assert (after.p_nominal or 0.0) <= (before.p_nominal or 0.0) + 1e-12
        assert (after.p_adjusted or 0.0) <= (before.p_adjusted or 0.0) + 1e-12


@settings(max_examples=25, deadline=None)
@given(TABLES)
def test_an_adjusted_p_below_alpha_is_an_interval_above_zero(table: np.ndarray) -> None:
    for effect in latency_effects(table, STANDARD, THREE):
        assert effect.lower is not None
        assert effect.p_adjusted is not None
        if abs(effect.p_adjusted / STANDARD.alpha_block - 1) > 0.05:
            assert (effect.p_adjusted < STANDARD.alpha_block) == (effect.lower > 0)


def test_an_operation_missing_from_some_pairs_is_judged_on_the_others() -> None:
    table = np.random.default_rng(3).normal(0, 0.01, (24, 3, 3))
    table[:3, 1] = math.nan
    effects = {effect.name: effect for effect in latency_effects(table, STANDARD, THREE)}
    assert len(effects["recall p99"].per_pair) == 21
    assert len(effects["all operations p99"].per_pair) == 21
    assert len(effects["store p99"].per_pair) == 24


def test_the_sources_of_variance_add_up() -> None:
    shares = dict(judged(Build(restart_sd=0.2), count=16).variance)
    assert set(shares) == {"restart", "drift", "within"}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["restart"] > 0.8


# --- helpers -------------------------------------------------------------------------------------------------------


def _drop(pair: Pair, couples: int) -> Pair:
    dropped = [dataclasses.replace(couple, dropped="generator late") for couple in pair.couples[:couples]]
    return dataclasses.replace(pair, couples=(*dropped, *pair.couples[couples:]))


def _lose_due(pair: Pair, share: float) -> Pair:
    couples = []
    for couple in pair.couples:
        due = round(couple.candidate.due * share)
        couples.append(dataclasses.replace(couple, candidate=dataclasses.replace(couple.candidate, due=due)))
    return dataclasses.replace(pair, couples=tuple(couples))


def _thin_out(pair: Pair, operation: Operation) -> Pair:
    """Leave the operation one request in the whole pair's first couple: too few to show in the share of errors."""
    couples = []
    for number, couple in enumerate(pair.couples):
        arms: dict[Arm, Interval] = {}
        for arm in Arm:
            parts = dict(couple.arm(arm).operations)
            part = parts.pop(operation)
            if number == 0:
                outcomes = tuple(min(1, count) for count in part.outcomes)
                parts[operation] = dataclasses.replace(part, outcomes=outcomes, failed=part.failed[:1])
            arms[arm] = dataclasses.replace(couple.arm(arm), operations=parts)
        couples.append(dataclasses.replace(couple, base=arms[Arm.BASE], candidate=arms[Arm.CANDIDATE]))
    return dataclasses.replace(pair, couples=tuple(couples))


def _forget_identities(pair: Pair) -> Pair:
    couples = []
    for couple in pair.couples:
        parts = {name: dataclasses.replace(part, failed=()) for name, part in couple.candidate.operations.items()}
        couples.append(dataclasses.replace(couple, candidate=dataclasses.replace(couple.candidate, operations=parts)))
    return dataclasses.replace(pair, couples=tuple(couples))
