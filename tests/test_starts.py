"""Claims about the mean over few processes that serve several pairs each."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from gate_values import SAME, SEARCH, STORE, THREE, Build, pairs
from hypothesis import given
from hypothesis import strategies as st
from perfgate_controller.schedule import launch_order, schedule_pair
from scipy import special, stats

from perfgate.calibration.components import components
from perfgate.calibration.profile import Component, FalseAlarm, HostProfile, Recommended
from perfgate.calibration.profile_json import profile_from_json, profile_to_json
from perfgate.calibration.restarts import restarts_of, spread_together, with_shared_starts
from perfgate.errors import InputError
from perfgate.gate.compare import compare
from perfgate.gate.comparison import Comparison
from perfgate.gate.limit_effects import limits_of
from perfgate.gate.pair_effect import STATISTICS, PairEffect
from perfgate.gate.policy_load import policy_for
from perfgate.gate.restarts import Restarts
from perfgate.gate.starts import of_each_start, starts_are_bimodal
from perfgate.gate.verdict import Word
from perfgate.pair import Pair
from perfgate.scenario.model import ValidationSpec
from perfgate.simulate.profile import PROFILES, Profile
from perfgate.simulate.seconds import draw_noise
from perfgate.simulate.slow_starts import draw_started
from perfgate.simulate.table import operating_characteristics
from perfgate.simulate.truth import TRUTHS
from perfgate.stats.couple_spread import CoupleSpread
from perfgate.stats.starts import (
    Nested,
    RestartSpread,
    couple_spread,
    nest,
    restart_spread,
    spread_p,
    starts_estimate,
)
from perfgate.stats.student import t_bound
from perfgate.stats.trimmed import trimmed_mean

VALUES = st.lists(st.tuples(st.floats(-3, 3), st.integers(0, 4)), min_size=2, max_size=40)
SHARES = st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.4])
SPREADS = st.builds(RestartSpread, st.floats(0, 1), st.floats(0.5, 100))
NOTHING = RestartSpread(0.0, 0.0)


def split(values: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([value for value, _ in values]), np.array([start for _, start in values])


def nested(table: np.ndarray, share: float = 0.0) -> Nested:
    """A row a couple of processes, a column a pair."""
    return nest(table.ravel(), np.repeat(np.arange(len(table)), table.shape[1]), share)


# --- against brute force and scipy ---------------------------------------------------------------------------------


@given(VALUES, SHARES)
def test_what_is_nested_is_what_couples_give_one_by_one(values: list[tuple[float, int]], share: float) -> None:
    data, starts = split(values)
    groups = [np.sort(data[starts == start]) for start in sorted(set(starts))]
    squares = df = 0.0
    for group in groups:
        cut = math.floor(share * len(group) + 1e-9)
        pulled = np.clip(group, group[cut], group[len(group) - cut - 1])
        squares += ((pulled - pulled.mean()) ** 2).sum()
        df += len(group) - 2 * cut - 1
    found = nest(data, starts, share)
    assert found.means == pytest.approx([trimmed_mean(group, share) for group in groups], abs=1e-12)
    assert found.df == df
    if df:
        assert found.within == pytest.approx(squares / df, abs=1e-12)
    else:
        assert math.isnan(found.within)


def test_without_trimming_the_variance_inside_is_that_of_the_analysis_of_variance() -> None:
    table = np.random.default_rng(1).normal(0, 1, (5, 6))
    found = nest(table.ravel(), np.repeat(np.arange(5), 6), 0.1)  # a tenth of six is none
    between = 6 * table.mean(axis=1).var(ddof=1)
    assert between / found.within == pytest.approx(stats.f_oneway(*table).statistic)
    assert (found.df, list(found.kept)) == (25, [6] * 5)


def test_trimmed_inside_one_couple_it_is_yuens_standard_error() -> None:
    random = np.random.default_rng(2)
    one, other = random.standard_t(3, 20), random.standard_t(3, 20)
    expected = stats.ttest_ind(one, other, equal_var=False, trim=0.2)
    a, b = (starts_estimate(nest(part, np.zeros(20), 0.2), NOTHING) for part in (one, other))
    assert (a.mean - b.mean) / math.hypot(a.se, b.se) == pytest.approx(expected.statistic)


@pytest.mark.parametrize("couples", [3, 5, 10])
def test_the_standard_error_is_the_formula_of_the_design(couples: int) -> None:
    table = np.random.default_rng(3).normal(0, 0.05, (couples, 4))
    found = starts_estimate(nest(table.ravel(), np.repeat(np.arange(couples), 4), 0.0), RestartSpread(0.03, 19))
    within = table.var(axis=1, ddof=1).mean()
    assert found.mean == pytest.approx(table.mean())
    assert found.se**2 == pytest.approx(2 * 0.03**2 / couples + within / (4 * couples))


def test_the_combined_df_is_welchs_where_two_samples_variances_are_added() -> None:
    """Satterthwaite's formula is the one of Welch's test: with the restart part taken for the first sample's variance."""
    random = np.random.default_rng(4)
    one, other = random.normal(0, 1, 12), random.normal(0, 2, 20)
    welch = stats.ttest_ind(one, other, equal_var=False).df
    spread = RestartSpread(math.sqrt(one.var(ddof=1) / len(one) / 2), 11)
    # One couple of 20: its mean varies by 2 sd² + s²/20.
    assert starts_estimate(nest(other, np.zeros(20), 0.0), spread).df == pytest.approx(welch)


# --- properties ----------------------------------------------------------------------------------------------------


@given(VALUES, SHARES, SPREADS, st.floats(-5, 5), st.floats(0.01, 50))
def test_shift_moves_and_scale_stretches(
    values: list[tuple[float, int]], share: float, spread: RestartSpread, shift: float, scale: float
) -> None:
    data, starts = split(values)
    before = starts_estimate(nest(data, starts, share), spread)
    after = starts_estimate(nest(scale * data + shift, starts, share), RestartSpread(scale * spread.sd, spread.df))
    assert after.mean == pytest.approx(scale * before.mean + shift, abs=1e-6)
    assert after.se == pytest.approx(scale * before.se, abs=1e-6, nan_ok=True)


@given(VALUES, SHARES, SPREADS)
def test_exchanged_arms_flip_the_sign_and_nothing_else(
    values: list[tuple[float, int]], share: float, spread: RestartSpread
) -> None:
    data, starts = split(values)
    one, other = (starts_estimate(nest(sign * data, starts, share), spread) for sign in (1, -1))
    assert other.mean == pytest.approx(-one.mean, abs=1e-9)
    assert other.se == pytest.approx(one.se, nan_ok=True)
    assert other.df == pytest.approx(one.df, rel=1e-6)


@given(VALUES, SHARES, SPREADS, st.randoms())
def test_neither_the_order_of_the_pairs_nor_the_couples_numbers_matter(
    values: list[tuple[float, int]], share: float, spread: RestartSpread, random: object
) -> None:
    data, starts = split(values)
    order = np.arange(len(data))
    random.shuffle(order)  # type: ignore[attr-defined]
    one = starts_estimate(nest(data, starts, share), spread)
    other = starts_estimate(nest(data[order], 100 - 7 * starts[order], share), spread)
    assert (other.mean, other.se, other.df) == pytest.approx((one.mean, one.se, one.df), rel=1e-9, nan_ok=True)


@given(VALUES, SHARES, st.floats(0, 1), st.floats(0, 1))
def test_the_more_starts_vary_the_wider_the_interval(
    values: list[tuple[float, int]], share: float, one: float, other: float
) -> None:
    nested = nest(*split(values), share)
    less, more = (starts_estimate(nested, RestartSpread(sd, 19)).se for sd in sorted((one, other)))
    assert math.isnan(less) or less <= more + 1e-12


@given(VALUES, SHARES, SPREADS)
def test_the_df_lie_between_the_smaller_part_and_the_sum(
    values: list[tuple[float, int]], share: float, spread: RestartSpread
) -> None:
    nested = nest(*split(values), share)
    df = starts_estimate(nested, spread).df
    if nested.df and nested.within > 1e-9 and spread.sd > 1e-6:
        assert min(nested.df, spread.df) - 1e-6 <= df <= nested.df + spread.df + 1e-6


def test_more_pairs_of_the_same_processes_do_not_buy_what_more_processes_do() -> None:
    random = np.random.default_rng(5)
    spread = RestartSpread(0.03, 19)

    def se(couples: int, pairs: int) -> float:
        data = random.normal(0, 0.05, couples * pairs)
        return starts_estimate(nest(data, np.repeat(np.arange(couples), pairs), 0.1), spread).se

    floor = math.sqrt(2 / 3) * 0.03
    assert se(3, 10_000) == pytest.approx(floor, rel=0.01)
    assert se(12, 10) < floor


def test_one_pair_a_couple_says_nothing() -> None:
    found = starts_estimate(nest([0.1, 0.2], [0, 1], 0.1), RestartSpread(0.01, 19))
    assert (found.df, math.isnan(found.se)) == (0, True)


def test_a_spread_without_degrees_of_freedom_leaves_none() -> None:
    assert starts_estimate(nest([0.1, 0.2, 0.1, 0.3], [0, 0, 1, 1], 0.0), RestartSpread(0.01, 0)).df == 0


@pytest.mark.parametrize(("sd", "df"), [(-0.1, 3), (math.nan, 3), (math.inf, 3), (0.1, -1), (0.1, math.nan)])
def test_a_spread_that_cannot_be_is_refused(sd: float, df: float) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        RestartSpread(sd, df)


def test_values_without_their_starts_are_refused() -> None:
    with pytest.raises(ValueError, match="do not go with"):
        nest([1.0, 2.0], [0], 0.1)


# --- simulated -----------------------------------------------------------------------------------------------------


def gates(
    restart: float, couples: int, pairs: int, runs: int, seed: int, calibrated: int = 20, today: float = 1.0,
    direct: bool = True,
) -> tuple[np.ndarray, list[float]]:  # fmt: skip
    """t values of gates without a difference whose restart sd is estimated by `calibrated` couples, and their df. today:
    times the noise of a pair at the calibration; direct: whether what couples say is borrowed, or s_restart alone."""
    random = np.random.default_rng(seed)
    starts = np.repeat(np.arange(couples), pairs)

    def draw(many: int, noise: float = 0.05) -> np.ndarray:
        return math.sqrt(2) * restart * random.standard_normal((many, 1)) + noise * random.standard_normal(
            (many, pairs)
        )

    found, dfs = np.empty(runs), []
    for run in range(runs):
        spread = restart_spread(nested(draw(calibrated), 0.1))
        spread = spread if direct else RestartSpread(spread.sd, spread.df)
        estimate = starts_estimate(nest(draw(couples, 0.05 * today).ravel(), starts, 0.1), spread)
        found[run] = estimate.mean / estimate.se
        dfs.append(estimate.df)
    return found, dfs


@pytest.mark.parametrize("couples", [3, 5, 10])
@pytest.mark.parametrize(("restart", "today"), [(0.0, 1.0), (0.03, 1.0), (0.03, 0.5), (0.03, 2.0), (0.05, 1.0)])
@pytest.mark.parametrize("direct", [True, False])
def test_the_error_is_what_the_level_says_though_the_restart_sd_is_only_estimated(
    couples: int, restart: float, today: float, direct: bool
) -> None:
    if not direct and (restart, today) != (0.03, 1.0):
        return  # a profile from before, whose couples are not known
    t, dfs = gates(restart, couples, 6, 1_500, 6, today=today, direct=direct)
    for level in (0.05, 0.01):
        over = float(np.mean([value > t_bound(level, df) for value, df in zip(t, dfs, strict=True)]))
        assert over < level + 3 * math.sqrt(level / 1_500)


def test_many_tails_of_the_pooled_estimate_keep_the_small_levels_at_which_a_gate_works() -> None:
    """Drawn as mean squares of normal values, 300,000 gates each; the estimator's own code decides a sample of them."""
    random = np.random.default_rng(15)
    count, couples, pairs, calibrated, noise = 300_000, 5, 6, 20, 0.085**2

    for restart, today in ((0.0, 1.0), (0.0, 1.5), (0.03, 1.0), (0.03, 2.0)):
        then, now = (2 * restart**2 + part * noise / pairs for part in (1.0, today))
        inside, mine = calibrated * (pairs - 1), couples * (pairs - 1)
        between = then * random.chisquare(calibrated - 1, count) / (calibrated - 1)
        was = noise / pairs * random.chisquare(inside, count) / inside
        is_now = today * noise / pairs * random.chisquare(mine, count) / mine
        own = now * random.chisquare(couples - 1, count) / (couples - 1)
        raised = between + np.maximum(0.0, is_now - was)
        uncertain = between**2 / (calibrated - 1) + is_now**2 / mine + was**2 / inside
        df = np.where(is_now > was, np.minimum(calibrated - 1, raised**2 / uncertain), calibrated - 1)
        pooled, all_df = (df * raised + (couples - 1) * own) / (df + couples - 1), df + couples - 1
        t = math.sqrt(now) * random.standard_normal(count) / np.sqrt(pooled)
        for level in (0.05, 0.01, 0.001):
            assert (t > -special.stdtrit(all_df, level)).mean() < level + 3 * math.sqrt(level / count)
        for place in range(20):  # the formulas above are those of the code
            spread = CoupleSpread(between[place], calibrated - 1, was[place], inside, pairs, 0.0)
            # Values with just these mean squares.
            means = np.array([-1.0, -1.0, 0.0, 1.0, 1.0]) * math.sqrt(own[place])
            pattern = np.array([-1.0, 1.0] * 3) * math.sqrt(is_now[place] * pairs * (pairs - 1) / pairs)
            found = starts_estimate(nested(means[:, None] + pattern), RestartSpread(0.0, 0.0, spread))
            assert (found.se**2 * couples, found.df) == pytest.approx((pooled[place], all_df[place]))


def test_couples_of_a_calibration_are_borrowed_as_they_are_and_pooled_with_the_gates_own() -> None:
    random = np.random.default_rng(16)
    then, now = random.normal(0, 2, (20, 6)), random.normal(0, 1, (5, 6))
    found = starts_estimate(nested(now), restart_spread(nested(then)))
    groups = [then.mean(axis=1), now.mean(axis=1)]
    assert found.df == 19 + 4
    assert found.se**2 * 5 == pytest.approx(_pooled(groups))


def test_a_noisier_day_than_the_calibrations_widens_the_interval_and_a_quieter_one_never_borrows_less() -> None:
    random = np.random.default_rng(17)
    spread, pattern = restart_spread(nested(random.normal(0, 1, (20, 6)))), np.array([-1.0, 1.0] * 3)
    errors = [starts_estimate(nested(np.zeros((5, 1)) + size * pattern), spread).se for size in (0.1, 0.5, 2, 4)]
    assert errors[0] == errors[1] < errors[2] < errors[3]


@pytest.mark.parametrize(("pairs", "trim", "like"), [(6, 0.0, True), (4, 0.0, True), (12, 0.0, False), (6, 0.2, False)])
def test_couples_of_more_pairs_or_trimmed_otherwise_take_s_restart_alone(pairs: int, trim: float, like: bool) -> None:
    random = np.random.default_rng(18)
    spread = restart_spread(nested(random.normal(0, 1, (20, 1)) + random.normal(0, 1, (20, 6))))
    of = nested(random.normal(0, 1, (5, pairs)), trim)
    alone = starts_estimate(of, RestartSpread(spread.sd, spread.df))
    assert (starts_estimate(of, spread) == alone) is not like


def _pooled(groups: list[np.ndarray]) -> float:
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return squares / sum(len(group) - 1 for group in groups)


def test_taking_pairs_of_the_same_process_for_independent_would_be_wrong() -> None:
    """The reason for all of this: pairs as the unit find five times as many differences as there may be."""
    random = np.random.default_rng(7)
    levels = np.repeat(math.sqrt(2) * 0.05 * random.standard_normal((800, 5)), 6, axis=1)
    values = levels + 0.05 * random.standard_normal((800, 30))
    assert (stats.ttest_1samp(values, 0, axis=1, alternative="greater").pvalue < 0.05).mean() > 0.15


def test_the_restart_sd_comes_back_from_many_couples_with_their_df() -> None:
    random = np.random.default_rng(8)
    table = math.sqrt(2) * 0.04 * random.standard_normal((4_000, 1)) + 0.05 * random.standard_normal((4_000, 6))
    found = restart_spread(nested(table))
    assert found.sd == pytest.approx(0.04, rel=0.04)
    share = 2 * 0.04**2 / (2 * 0.04**2 + 0.05**2 / 6)
    assert found.df == pytest.approx(share**2 * 4_000, rel=0.1)


def test_starts_that_do_not_differ_give_nothing_and_no_certainty() -> None:
    found = restart_spread(nested(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])))
    assert (found.sd, found.df) == (0.0, 0.0)
    with pytest.raises(ValueError, match="two couples, of two"):
        restart_spread(nested(np.array([[1.0, 2.0]])))


def test_couples_that_vary_more_than_the_calibration_knows_are_told_and_others_are_not() -> None:
    random = np.random.default_rng(9)
    starts, spread = np.repeat(np.arange(5), 6), RestartSpread(0.03, 19)

    def p(sd: float) -> float:
        values = np.repeat(math.sqrt(2) * sd * random.standard_normal(5), 6) + 0.05 * random.standard_normal(30)
        return spread_p(nest(values, starts, 0.1), spread)

    fits, moved = np.array([p(0.03) for _ in range(1_000)]), np.array([p(0.3) for _ in range(100)])
    assert (fits < 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert (moved < 0.001).mean() > 0.8


# --- in the gate ---------------------------------------------------------------------------------------------------

FIVE = policy_for({}, "standard", starts=5)


def served(candidate: Build = SAME) -> list[Pair]:
    """Thirty pairs of which six and six were served by the same two processes."""
    made = pairs(30, dataclasses.replace(candidate, restart_sd=0.0), Build(restart_sd=0.0))
    return [dataclasses.replace(pair, start=pair.number // 6) for pair in made]


def known(sd: float = 0.01, df: float = 15.0, starts: int = 40) -> Restarts:
    return Restarts(starts, {(one, name): RestartSpread(sd, df) for one in THREE for name in STATISTICS})


def judged(made: list[Pair], restarts: Restarts | None) -> Comparison:
    return compare(made, FIVE, THREE, restarts=restarts)


def test_looks_are_moved_up_to_whole_numbers_of_processes() -> None:
    assert FIVE.looks == (12, 18, 24, 30)
    assert (FIVE.pass_from, FIVE.pairs_a_start) == (24, 6)
    assert policy_for({}, "standard", starts=3).looks == (20, 30)
    assert policy_for({"starts": 7}).looks[-1] == 35
    assert policy_for({}, "standard", starts=0) == policy_for({})


@given(st.integers(3, 15), st.sampled_from(["standard", "quick"]))
def test_information_grows_as_processes_do_whatever_the_two_variances_are(starts: int, name: str) -> None:
    try:
        policy = policy_for({}, name, starts=starts)
    except InputError:
        return  # fewer than two pairs a process
    for restart, within in ((0.0, 1.0), (1.0, 0.0), (0.3, 2.0)):

        def information(look: int, restart: float = restart, within: float = within) -> float:
            return 1 / (2 * restart / (look / policy.pairs_a_start) + within / look)

        last = information(policy.looks[-1])
        assert [information(look) / last for look in policy.looks] == pytest.approx(
            [look / policy.looks[-1] for look in policy.looks]
        )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"starts": 2}, ["starts = 2", "3 and more"]),
        ({"starts": -1}, ["starts = -1"]),
        ({"starts": 16}, ["starts = 16", "15 at most", "0 for a fresh process"]),
    ],
)
def test_numbers_of_processes_that_cannot_work_are_refused(settings: dict[str, int], words: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        policy_for(settings)
    assert all(word in str(refusal.value) for word in words)


def test_the_same_build_passes_and_a_slower_one_is_blocked() -> None:
    assert judged(served(), known()).verdict.word is Word.PASS
    slower = judged(served(Build(slower={SEARCH: 1.2})), known())
    assert slower.verdict.word is Word.BLOCK
    assert slower.verdict.reasons[0].metric.startswith("embedding_search")


def test_what_is_borrowed_widens_the_interval() -> None:
    narrow, wide = (judged(served(), known(sd)).effect("recall p99") for sd in (0.001, 0.05))
    assert narrow.se < wide.se
    assert wide.se >= math.sqrt(2 / 5) * 0.05


def test_the_mean_over_operations_goes_by_what_was_calibrated_of_it() -> None:
    couples = CoupleSpread(2 * 0.01**2, 19, 1e-5, 100, 6.0, FIVE.trim)
    told = dataclasses.replace(known(0.03, 3.0), together={"p99": couples})
    before, after = (judged(served(), one) for one in (known(0.03, 3.0), told))
    assert after.effect("all operations p99").se < before.effect("all operations p99").se
    assert after.effect("all operations p99").df > 19 > before.effect("all operations p99").df
    assert after.effect("recall p99") == before.effect("recall p99")


@pytest.mark.parametrize("restarts", [None, known(starts=18), Restarts(40, {})])
def test_without_a_calibration_of_twenty_starts_the_answer_is_inconclusive(restarts: Restarts | None) -> None:
    for candidate in (SAME, Build(slower={SEARCH: 3.0})):
        comparison = judged(served(candidate), restarts)
        assert comparison.verdict.word is Word.INCONCLUSIVE
        assert comparison.final
        assert [reason.code for reason in comparison.verdict.reasons] == ["no_calibration"]
        assert "perfgate calibrate" in comparison.verdict.reasons[0].remedy


def test_a_candidate_that_answers_nothing_is_blocked_without_a_calibration_too() -> None:
    assert judged(served(Build(failing={SEARCH: 1.0})), None).verdict.word is Word.BLOCK


def test_processes_that_differ_more_than_calibrated_leave_it_undecided() -> None:
    made = pairs(30, Build(levels=tuple(np.repeat([0.0, 0.4, -0.3, 0.5, -0.4], 6))), Build(restart_sd=0.0))
    comparison = judged([dataclasses.replace(pair, start=pair.number // 6) for pair in made], known())
    assert comparison.verdict.word is Word.INCONCLUSIVE
    assert comparison.verdict.reasons[0].code == "calibration_unfit"


def test_pairs_of_a_process_that_has_not_served_all_of_its_own_are_left_out() -> None:
    whole, more = (compare(served()[:count], FIVE, THREE, out_of_time=True, restarts=known()) for count in (24, 28))
    assert whole.effects == more.effects
    assert more.pairs == 24


def test_medians_of_one_process_count_as_one_start() -> None:
    medians = np.repeat(np.arange(5.0), 6)[:, None, None] * np.ones((1, 2, 2))
    found = of_each_start(medians, np.repeat(np.arange(5), 6))
    assert found.shape == (5, 2, 2)
    assert list(found[:, 0, 0]) == [0, 1, 2, 3, 4]
    assert not starts_are_bimodal(found)


def test_a_limit_missed_by_one_slow_process_is_not_missed_six_times() -> None:
    limit = ValidationSpec(expected_p99_latency_ms=3.6, expected_throughput_ops_sec=None, max_error_rate=None)
    made = [
        dataclasses.replace(pair, start=pair.number // 6) for pair in pairs(30, Build(slower=dict.fromkeys(THREE, 1.3)))
    ]
    assert limits_of(made, FIVE, limit).blocking == ()  # five of five are chance in one of 32
    fresh = [dataclasses.replace(pair, start=None) for pair in made]
    assert limits_of(fresh, policy_for({}), limit).blocking


# --- in a calibration ----------------------------------------------------------------------------------------------


def test_a_calibration_whose_processes_served_several_pairs_goes_by_processes() -> None:
    random = np.random.default_rng(11)
    values = np.repeat(math.sqrt(2) * 0.05 * random.standard_normal(20), 4) + 0.02 * random.standard_normal(80)
    effects = [PairEffect((one, one, one), np.full((8, 3), one), np.zeros(8, dtype=bool)) for one in values.tolist()]
    found = {STORE: effects}
    gains = {(STORE, name): 0.0 for name in STATISTICS}
    (part, *_) = with_shared_starts(components(found, gains, 0.1), found, np.repeat(np.arange(20), 4), 0.1)
    assert part.restart_sd == pytest.approx(0.05, rel=0.4)
    assert 15 < part.restart_df <= 19
    assert part.restart_upper > part.restart_sd
    means = values.reshape(20, 4).mean(axis=1)
    assert part.couples is not None
    assert (part.couples.variance, part.couples.df) == (pytest.approx(means.var(ddof=1)), 19)


def test_a_calibration_knows_of_the_mean_over_operations_as_of_each() -> None:
    random = np.random.default_rng(13)
    starts, by_operation = np.repeat(np.arange(12), 3), {one: random.standard_normal(36) for one in THREE}
    found = {
        one: [PairEffect((value,) * 3, np.full((8, 3), value), np.zeros(8, dtype=bool)) for value in values.tolist()]
        for one, values in by_operation.items()
    }
    mean = np.mean(list(by_operation.values()), axis=0)
    expected = couple_spread(nest(mean, starts, 0.1))
    together = spread_together(found, starts, 0.1)
    assert set(together) == set(STATISTICS)
    assert dataclasses.astuple(together["p99"]) == pytest.approx(dataclasses.astuple(expected))
    found[SEARCH][4] = None  # the mean is not known in that pair, as in a gate
    assert spread_together(found, starts, 0.1)["p99"].within_df == expected.within_df - 1


def test_a_profile_keeps_what_couples_say_and_one_from_before_that_is_still_read() -> None:
    couples = couple_spread(nested(np.random.default_rng(14).normal(0, 1, (12, 3))))
    made = dataclasses.replace(
        host_profile(), together={"p99": couples}, components=(dataclasses.replace(PART, couples=couples),)
    )
    written = json.loads(json.dumps(profile_to_json(made)))
    assert profile_from_json(written, "p.json") == made
    del written["together"], written["components"][0]["couples"]
    old = profile_from_json(written, "p.json")
    assert (old.together, old.components[0].couples) == ({}, None)
    assert restarts_of(old).spread(STORE, "p99", [STORE]) == RestartSpread(0.03, 12.5)
    written["together"] = {"p99": {**dataclasses.asdict(couples), "df": 0}}
    with pytest.raises(InputError, match=r"together.p99.*cannot be"):
        profile_from_json(written, "p.json")


PART = Component(STORE, "p99", 0.03, 12.5, 0.05, 0.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, False)


def host_profile() -> HostProfile:
    now = datetime(2026, 11, 27, tzinfo=UTC)
    return HostProfile(
        host={}, target="embedded", variant="default", scenario="x", scenario_digest="x", policy="standard",
        slice_ns=1, measured_ns=1, group_requests=1, pairs=36, starts=24, pair_ns=1, made_at=now, expires_at=now,
        components=(PART,), false_alarm=FalseAlarm(0.0, 0.0, 0.01, 400), predictions=(),
        recommended=Recommended("alternation", 250.0, 30, 0.1),
    )  # fmt: skip


def test_what_is_borrowed_is_what_the_profile_says() -> None:
    assert restarts_of(host_profile()) == Restarts(24, {(STORE, "p99"): RestartSpread(0.03, 12.5)})


# --- in the schedule -----------------------------------------------------------------------------------------------


def test_processes_are_fresh_when_due_and_what_is_permuted_is_permuted_by_processes() -> None:
    made = [schedule_pair(FIVE, FIVE.slice_ns, 3, number, 0) for number in range(30)]
    assert [one.start for one in made] == [number // 6 for number in range(30)]
    assert [one.number for one in made if one.fresh] == [0, 6, 12, 18, 24]
    assert [one.number for one in made if one.last] == [5, 11, 17, 23, 29]
    assert [one.arms for one in made] == [launch_order(3, number // 6) for number in range(30)]
    alone = schedule_pair(policy_for({}), FIVE.slice_ns, 3, 7, 0)
    assert (alone.start, alone.fresh, alone.last) == (None, True, True)


# --- simulated -----------------------------------------------------------------------------------------------------


def test_a_process_keeps_its_level_over_all_pairs_that_it_serves() -> None:
    only_restarts = Profile("restarts", 0.05, ((3, 0.0),), 0.0)
    noise = draw_started(draw_noise, only_restarts, FIVE, 36, 4, 5, np.random.default_rng(12))
    assert noise.level.shape == (4, 30, 36, 2)
    by_start = noise.level.reshape(4, 5, 6 * 36, 2)
    assert np.ptp(by_start, axis=2).max() < 1e-12
    assert len(np.unique(by_start[0, :, 0].round(9))) == 10


def test_simulated_gates_of_five_processes_hardly_ever_raise_a_false_alarm_and_find_twenty_percent() -> None:
    policy = policy_for({}, "quick", starts=4)
    profiles, truths = [PROFILES["quiet"], PROFILES["typical"]], [TRUTHS["same"], TRUTHS["one20"]]
    for one in operating_characteristics(policy, profiles, truths, 60, 1, 330.0, pool_pairs=120):
        if one.truth == "same":
            assert one.block <= 1, one
            assert one.passed >= 30, one
        else:
            assert one.passed <= 2, one
            assert one.block >= 40 or one.profile == "typical", one
