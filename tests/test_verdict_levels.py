"""Claims about how sure the gate must be: each would fail if a level were loosened, a share forgotten or a bound turned."""

from __future__ import annotations

import dataclasses
import itertools
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from gate_values import SAME, SEARCH, STORE, THREE, Build, pairs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from perfgate.cli.main import main
from perfgate.gate.compare import compare
from perfgate.gate.decision import decide
from perfgate.gate.effect import Finding
from perfgate.gate.latency import latency_effects
from perfgate.gate.limit_effects import limits_of
from perfgate.gate.outlook import _blocked
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import QUICK, policy_for
from perfgate.gate.quality import ONE_MOMENT, errors_effect, recall_effect
from perfgate.gate.validity import usable_pairs
from perfgate.gate.verdict import Word
from perfgate.interval import Interval, OperationInterval
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.pair import Pair
from perfgate.scenario.model import ValidationSpec
from perfgate.stats.spending import looks_so_far, nominal_levels
from perfgate.stats.student import p_above_zero, reach, t_bound
from perfgate.stats.tail_weight import gain, symmetric_se
from perfgate.stats.trimmed import trimmed_estimate, trimmed_mean, trimmed_means
from perfgate.stats.variance import variance_split
from perfgate.stats.variance_bounds import difference_upper

LAST = looks_so_far(QUICK.looks[-1], QUICK.looks)


# --- bounds --------------------------------------------------------------------------------------------------------


@given(st.floats(1, 60), st.integers(1, 306), st.integers(1, 306))
def test_a_stricter_level_is_never_passed_more_easily_down_to_the_smallest_number(
    df: float, one: int, other: int
) -> None:
    strict, loose = 10.0 ** -max(one, other), 10.0 ** -min(one, other)
    assert t_bound(strict, df) >= t_bound(loose, df) * (1 - 1e-9)
    assert t_bound(strict, df) > 0


def test_a_first_look_among_a_thousand_pairs_blocks_nothing_by_overflow() -> None:
    policy = policy_for({"looks": (5, 1000), "min_pairs": 5, "pass_from": 1000})
    noisy = np.random.default_rng(1).normal(math.log(1.2), 0.3, (5, 1, 1)).repeat(3, axis=1).repeat(3, axis=2)
    assert decide(latency_effects(noisy, policy, THREE), policy, THREE, 5) is Word.INCONCLUSIVE


@pytest.mark.parametrize(("first_df", "second_df"), [(7, 8), (19, 20), (59, 60), (3, 40)])
def test_the_upper_bound_of_a_difference_is_exact_where_the_two_are_the_same(first_df: int, second_df: int) -> None:
    """What its mixed term is made for (Ting et al. 1990): 5 % of such ratios lie below F's quantile, where it is 0."""
    ratio = float(stats.f.ppf(0.05, first_df, second_df))
    assert difference_upper(ratio, first_df, 1.0, second_df) == pytest.approx(0.0, abs=1e-7)
    assert difference_upper(ratio * 0.999, first_df, 1.0, second_df) == pytest.approx(0.0, abs=2e-3)
    assert difference_upper(ratio * 1.01, first_df, 1.0, second_df) > 1e-3


def test_what_drifts_inside_pairs_is_not_taken_for_restarts() -> None:
    """Halves of pairs vary by themselves: means of pairs then vary by half as much, without any restart."""
    halves = np.random.default_rng(2).standard_normal((4_000, 2))
    found = variance_split(list(halves.repeat(6, axis=1)))
    assert found is not None
    assert found.restart < 0.06
    assert found.drift + found.within == pytest.approx(0.5, abs=0.05)


@example(100, 29)  # 0.29 * 100 is 28.999999999999996
@given(st.integers(2, 400), st.integers(0, 49))
def test_a_share_is_cut_as_decimals_are_read_wherever_it_is_cut(count: int, percent: int) -> None:
    values, cut = np.arange(count, dtype=float) ** 2, percent * count // 100
    assert trimmed_mean(values, percent / 100) == pytest.approx(values[cut : count - cut].mean())
    assert trimmed_means(values, percent / 100) == pytest.approx(values[cut : count - cut].mean())
    assert trimmed_estimate(values, percent / 100).df == count - 2 * cut - 1


def test_the_outlook_and_the_rule_have_the_same_degrees_of_freedom() -> None:
    """0.29 of 100 pairs are 29, which floating point makes 28 of: then two values more would be left."""
    same, rounded = (_blocked(Policy(trim=trim), 0.05, 100, 3) for trim in (0.29, 0.2901))
    assert same == pytest.approx(rounded, rel=1e-12)


def test_the_outlook_asks_for_the_share_of_the_error_that_one_operation_has() -> None:
    policy = Policy(margin=0.001)
    sure = stats.t.isf(policy.alpha_block * 0.8 / 3, 23) + stats.t.isf(0.2, 23)
    assert math.log1p(_blocked(policy, 0.01, 30, 3)) == pytest.approx(0.01 * sure, rel=2e-3)


def test_what_more_trimming_gains_counts_the_degrees_of_freedom_that_are_left() -> None:
    values = np.random.default_rng(4).standard_t(3, 20)
    errors = symmetric_se(values, 0.25) / symmetric_se(values, 0.1)
    quantiles = stats.t.isf(0.001, 30 - 2 * 7 - 1) / stats.t.isf(0.001, 30 - 2 * 3 - 1)
    assert gain(values, 0.1, 0.25, 30, 0.001) == pytest.approx(math.log(errors * quantiles))


# --- pairs that are all alike ---------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.floats(-3, 3), st.integers(2, 40), st.sampled_from([0.0, 0.1, 0.2, 0.25]))
def test_values_that_are_all_the_same_are_known_for_certain_and_nothing_warns(
    value: float, count: int, trim: float
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = trimmed_estimate([value] * count, trim)
        p, far = p_above_zero(found), reach(0.001, found)
    assert found.mean == pytest.approx(value)
    assert found.se == pytest.approx(0.0, abs=1e-12)
    assert p == pytest.approx(float(value <= 0), abs=1e-6) or abs(value) < 1e-12 or found.df < 3
    assert far < 1e-6 or found.df < 3


@pytest.mark.parametrize(("slower", "word"), [(1.0, Word.PASS), (1.3, Word.BLOCK), (0.7, Word.PASS)])
def test_a_gate_whose_pairs_are_all_alike_says_what_they_say(slower: float, word: Word) -> None:
    (pair,) = pairs(1, SAME)
    (other,) = pairs(1, Build(slower=dict.fromkeys(THREE, slower)))
    alike = [
        dataclasses.replace(
            pair,
            number=number,
            couples=tuple(
                dataclasses.replace(a, candidate=b.candidate, base=a.base)
                for a, b in zip(pair.couples, other.couples, strict=True)
            ),
        )
        for number in range(16)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(alike, QUICK, THREE)
    assert found.verdict.word is word
    assert found.variance == () or all(0 <= share <= 1 for _, share in found.variance)
    assert not any("nan" in reason.text or "inf" in reason.text for reason in found.verdict.reasons)
    for effect in found.effects:
        assert effect.lower is not None
        assert effect.upper is not None
        assert effect.lower <= effect.estimate <= effect.upper


# --- how sure errors, recall and limits must be ---------------------------------------------------------------------


def failing(pair: Pair, base: range, candidate: range) -> Pair:
    """The pair with these requests of its first couple's stores failed."""
    first = pair.couples[0]
    changed = dataclasses.replace(first, base=_fail(first.base, base), candidate=_fail(first.candidate, candidate))
    return dataclasses.replace(pair, couples=(changed, *pair.couples[1:]))


def _fail(interval: Interval, numbers: range) -> Interval:
    part = interval.operations[STORE]
    outcomes = [0] * len(OUTCOMES)
    outcomes[Outcome.OK], outcomes[Outcome.BAD_STATUS] = part.total - len(numbers), len(numbers)
    made: OperationInterval = dataclasses.replace(part, outcomes=tuple(outcomes), failed=tuple(numbers))
    return dataclasses.replace(interval, operations={**interval.operations, STORE: made})


def test_requests_that_fail_in_both_builds_are_no_evidence_against_one() -> None:
    made = pairs(4, requests=200)
    made[0] = failing(made[0], range(50), range(56))
    found = errors_effect(made, QUICK, LAST)
    assert found.p_nominal == pytest.approx(0.5**6)
    assert found.se == pytest.approx(math.sqrt(6) / (4 * 4 * 3 * 200))


@pytest.mark.parametrize("alone", range(7, 14))
def test_errors_block_exactly_where_their_p_is_below_the_level_of_the_look(alone: int) -> None:
    """One request in each of so many pairs, so that no pair differs from another."""
    made = [failing(pair, range(0), range(1)) for pair in pairs(alone, requests=60)]
    policy = dataclasses.replace(QUICK, error_margin=0.0)
    found = errors_effect(made, policy, LAST)
    assert (found.finding is Finding.REGRESSED) == (0.5**alone < nominal_levels(policy.alpha_quality, LAST)[-1])
    assert found.finding in (Finding.REGRESSED, Finding.OPEN)


def test_failures_of_one_moment_are_no_evidence_against_a_build() -> None:
    """Fifty requests that fail together are one event, whatever McNemar's test says of fifty."""
    made = pairs(16, requests=60)
    made[5] = failing(made[5], range(0), range(50))
    together = errors_effect(made, QUICK, LAST)
    assert together.p_nominal == pytest.approx(0.5**50)
    assert together.estimate > QUICK.error_margin
    assert (together.finding, together.note) == (Finding.OPEN, ONE_MOMENT)
    apart = [failing(pair, range(0), range(3 + pair.number % 2)) for pair in pairs(16, requests=60)]
    assert errors_effect(apart, QUICK, LAST).finding is Finding.REGRESSED


def test_recall_s_error_is_shared_by_the_operations_whose_answers_are_checked() -> None:
    luck = [pairs(16, Build(found=found)) for found in (386, 389, 392, 395)]
    made = [luck[number % 4][number] for number in range(16)]
    shared, alone = (recall_effect(made, QUICK, SEARCH, family, LAST) for family in (3, 1))
    third = dataclasses.replace(QUICK, alpha_quality=QUICK.alpha_quality / 3)
    stricter = recall_effect(made, third, SEARCH, 1, LAST)
    assert shared is not None
    assert alone is not None
    assert stricter is not None
    assert alone.lower is not None
    assert shared.lower is not None
    assert shared.se > 0
    assert shared.lower == stricter.lower < alone.lower
    assert shared.p_adjusted == pytest.approx(min(1.0, 3 * (alone.p_adjusted or 0.0)))


@pytest.mark.parametrize("missed", range(6, 17))
def test_an_absolute_limit_blocks_exactly_where_mcnemar_s_p_is_below_the_level_of_the_look(missed: int) -> None:
    made = [failing(pair, range(0), range(30 if pair.number < missed else 0)) for pair in pairs(16)]
    limit = ValidationSpec(expected_p99_latency_ms=None, expected_throughput_ops_sec=None, max_error_rate=0.01)
    sure = 0.5**missed < nominal_levels(QUICK.alpha_quality, LAST)[-1]
    assert bool(limits_of(made, QUICK, limit).blocking) == sure


# --- how many pairs -------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(2, 16), st.integers(2, 16))
def test_nothing_is_blocked_before_min_pairs_and_nothing_passes_before_pass_from(least: int, first_pass: int) -> None:
    policy = dataclasses.replace(QUICK, min_pairs=least, pass_from=first_pass)
    steady = np.random.default_rng(3).normal(0, 1e-4, (16, 3, 3))
    for count, shift in itertools.product((least - 1, least, first_pass - 1, first_pass, 16), (0.0, 0.5)):
        if count < 2:
            continue
        word = decide(latency_effects(steady[:count] + shift, policy, THREE), policy, THREE, count)
        if count < least:
            assert word is Word.INCONCLUSIVE
        elif shift == 0.0:
            assert word is not Word.BLOCK
            assert (word is Word.PASS) <= (count >= first_pass)
        elif count >= 5:
            assert word is Word.BLOCK


@pytest.mark.parametrize(("dropped", "counts"), [(0, True), (2, True), (3, False), (4, False)])
def test_a_pair_counts_from_half_of_its_couples_on(dropped: int, counts: bool) -> None:
    (pair,) = pairs(1, couples=4)
    couples = [dataclasses.replace(one, dropped="steal" if one.number < dropped else "") for one in pair.couples]
    assert bool(usable_pairs([dataclasses.replace(pair, couples=tuple(couples))])) == counts


# --- the simulator's verb -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--json", "nowhere/rates.json"], "its directory does not exist"),
        (["--json", "."], "is a directory"),
        (["--curve", "nowhere/power.svg"], "its directory does not exist"),
        (["--curve", "power.png"], "ends in .svg"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_a_million_gates_are_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "--runs", "1000000", *options]) == 3
    assert words in capsys.readouterr().err
