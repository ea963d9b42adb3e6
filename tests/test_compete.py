"""Competitions whose truth is known: rotation, ratios at equal recall, the verdict, and the rules of fairness."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter

import numpy as np
import pytest
from compete_values import GROWTH, POLICY, RECALLS, SEARCH, STORE, VALUES, measurement, reading, store, without
from hypothesis import given, settings
from hypothesis import strategies as st

from perfgate.compete.fairness import rules
from perfgate.compete.frontiers import frontier_of
from perfgate.compete.model import SATURATED, Measurement, Turn
from perfgate.compete.outcome import decide
from perfgate.compete.policy import CompetePolicy, check_policy
from perfgate.compete.rotation import block_length, rotation
from perfgate.compete.series import Past, series_of
from perfgate.compete.theta import Theta, precise, thetas
from perfgate.errors import InputError
from perfgate.gate.verdict import Word

HOST = {"cpu": "x", "kernel": "6.1"}


@given(stores=st.integers(2, 7), seed=st.integers(0, 2**64 - 1))
def test_in_each_block_of_rounds_every_store_has_every_place_and_every_neighbour_as_often(
    stores: int, seed: int
) -> None:
    length = block_length(stores)
    orders = rotation(stores, 2 * length, seed)
    for block in (orders[:length], orders[length:]):
        places = Counter((place, one) for order in block for place, one in enumerate(order))
        assert set(places.values()) == {length // stores}
        follows = Counter(pair for order in block for pair in itertools.pairwise(order))
        assert set(follows.values()) == {length // stores}
        assert len(follows) == stores * (stores - 1)
    assert rotation(stores, 2 * length, seed)[:3] == rotation(stores, 3, seed)


def ratio(measured: Measurement, statistic: str = "p95", policy: CompetePolicy = POLICY) -> Theta:
    frontiers = [frontier_of(measured, number, policy) for number in range(len(measured.stores))]
    return next(
        one for one in thetas(measured, frontiers, policy) if one.statistic == statistic and one.operation is SEARCH
    )


@settings(max_examples=25, deadline=None)
@given(lead=st.floats(-1.5, 1.5))
def test_without_noise_the_ratio_at_equal_recall_is_the_true_one(lead: float) -> None:
    found = ratio(measurement([lead, 0.0], noise=0.0))
    assert found.mean == pytest.approx(lead, abs=1e-9)
    weight = (0.95 - RECALLS[0]) / (RECALLS[1] - RECALLS[0])
    assert found.theirs == pytest.approx(2e6 * math.exp(weight * GROWTH[1]), rel=1e-6)


def test_stores_are_compared_at_equal_recall_and_not_at_equal_values() -> None:
    """Ours answers each value twice as fast, but finds less: at equal recall it is the slower one."""
    measured = measurement([-0.3, 0.0], noise=0.0)
    turns = []
    for turn in measured.turns:
        readings = turn.readings
        if turn.store == 0:
            readings = tuple(
                dataclasses.replace(reading(one.value, one.operations[SEARCH].p95, recall))
                for one, recall in zip(readings, (0.60, 0.80, 0.95), strict=True)
            )
        turns.append(dataclasses.replace(turn, readings=readings))
    found = ratio(dataclasses.replace(measured, turns=tuple(turns)))
    weight = (0.95 - RECALLS[0]) / (RECALLS[1] - RECALLS[0])
    assert found.mean == pytest.approx(-0.3 + GROWTH[2] - weight * GROWTH[1])
    assert found.word == "slower"


def test_the_interval_of_today_covers_the_truth_as_often_as_it_says() -> None:
    """Rounds end when the errors are small enough, which must not cost coverage; 600 sessions."""
    covered, used = 0, []
    for seed in range(600):
        random = np.random.default_rng([seed, 11])
        values = 0.1 + 0.06 * random.standard_normal(POLICY.max_rounds)
        for rounds in range(POLICY.min_rounds, POLICY.max_rounds + 1):
            found = _theta_of(values[:rounds])
            if precise([found], POLICY):
                break
        used.append(found.rounds)
        covered += found.lower <= 0.1 <= found.upper
    assert covered / 600 > 0.93
    assert len(set(used)) > 5  # the noise decides how many


def _theta_of(values: np.ndarray) -> Theta:
    from perfgate.compete.theta import _theta

    found = _theta(1, SEARCH, "p95", True, values[:, None], np.zeros((len(values), 1)), POLICY)
    assert found is not None
    return found


def past_of(leads: list[float], policy: CompetePolicy = POLICY, counts: bool = True, **fields: object):
    """Stored sessions of the same series, each with its lead."""
    sessions = [measurement([lead, 0.0], seed=100 + number) for number, lead in enumerate(leads)]

    def past(theta: Theta) -> list[Past]:
        found = []
        for number, measured in enumerate(sessions):
            frontiers = [frontier_of(measured, one, policy) for one in (0, 1)]
            for one in thetas(measured, frontiers, policy):
                if (one.metric, one.competitor) == (theta.metric, theta.competitor):
                    found.append(
                        Past(f"s{number}", number, "x", "theirs1", "1.0", "1.0", one.metric, one.mean, one.se, counts)
                    )
        return found

    return past


LEAD = -0.5


def test_a_loss_of_20_percent_exits_with_2_and_one_of_3_percent_does_not() -> None:
    past = past_of([LEAD] * 4)
    lost = decide(measurement([LEAD + math.log(1.20), 0.0]), POLICY, past)
    assert (lost.verdict.word, lost.verdict.exit_code) == (Word.BLOCK, 2)
    assert lost.verdict.reasons[0].code == "lost"
    assert lost.standings[1].theta.word == "faster"  # still ahead, but less than before
    little = decide(measurement([LEAD + math.log(1.03), 0.0]), POLICY, past)
    assert (little.verdict.word, little.verdict.exit_code) == (Word.PASS, 0)


def test_before_four_sessions_it_says_so_and_who_is_faster_today() -> None:
    for count in range(4):
        found = decide(measurement([LEAD, 0.0]), POLICY, past_of([LEAD] * count))
        assert (found.verdict.word, found.verdict.exit_code) == (Word.INCONCLUSIVE, 4)
        assert found.verdict.reasons[0].code == "too_few_sessions"
        assert f"{count} stored sessions" in found.verdict.reasons[0].text
        assert {one.theta.word for one in found.standings} == {"faster"}
        assert all(one.theta.upper < 0 for one in found.standings)


def test_sessions_that_blocked_or_were_invalid_are_no_baseline() -> None:
    found = decide(measurement([LEAD, 0.0]), POLICY, past_of([LEAD] * 6, counts=False))
    assert found.verdict.reasons[0].code == "too_few_sessions"


def test_sessions_that_scatter_leave_a_loss_open() -> None:
    found = decide(measurement([LEAD + math.log(1.2), 0.0]), POLICY, past_of([-0.8, -0.5, -0.2, -0.6]))
    assert (found.verdict.word, found.verdict.reasons[0].code) == (Word.INCONCLUSIVE, "undecided")


def test_another_version_of_a_competitor_begins_a_new_series_and_another_of_ours_does_not() -> None:
    def key(
        measured: Measurement, policy: CompetePolicy = POLICY, digest: str = "d", host: dict[str, str] = HOST
    ) -> str:
        return series_of(measured, ratio(measured, policy=policy), policy, digest, host)

    base = key(measurement([0.0, 0.0], versions=("1", "1")))
    assert key(measurement([0.1, 0.0], versions=("2", "1"), seed=9)) == base
    other = [
        key(measurement([0.0, 0.0], versions=("1", "2"))), key(measurement([0.0, 0.0], versions=("1", "1")), digest="e"),
        key(measurement([0.0, 0.0], versions=("1", "1")), host={"cpu": "y"}),
        key(measurement([0.0, 0.0], versions=("1", "1")), dataclasses.replace(POLICY, recall=0.96)),
    ]  # fmt: skip
    assert base not in other
    assert len(set(other)) == len(other)


def test_throughput_is_judged_with_the_same_sign_as_latency() -> None:
    found = decide(measurement([0.0, 0.0], rates=(800.0, 1_000.0), noise=0.001), POLICY, lambda theta: [])
    rate = next(one.theta for one in found.standings if one.theta.statistic == "throughput")
    assert rate.mean == pytest.approx(math.log(1.25), abs=0.01)
    assert (rate.word, round(rate.ours, -1), round(rate.theirs, -1)) == ("slower", 800, 1_000)


def test_a_rate_beyond_which_nothing_was_tried_is_no_throughput_to_compare() -> None:
    measured = dataclasses.replace(measurement([0.0, 0.0], rates=(800.0, 1_000.0), noise=0.0), rate_top=1_000.0)
    found = decide(measured, POLICY, lambda theta: [])
    assert "throughput" not in {one.theta.statistic for one in found.standings}
    assert any("theirs1 holds the highest rate that is tried, 1,000/s" in note for note in found.notes)
    free = decide(dataclasses.replace(measured, rate_top=2_000.0), POLICY, lambda theta: [])
    assert "throughput" in {one.theta.statistic for one in free.standings}
    assert not any("highest rate" in note for note in free.notes)


def test_operations_without_recall_are_compared_at_the_same_place_of_the_frontier() -> None:
    measured = measurement([0.2, 0.0], operations=(STORE, SEARCH), noise=0.0)
    frontiers = [frontier_of(measured, number, POLICY) for number in (0, 1)]
    names = {one.metric: one.mean for one in thetas(measured, frontiers, POLICY)}
    assert names["store p95"] == pytest.approx(0.2)
    assert set(names) == {
        f"{one} {quantile}" for one in ("store", "embedding_search") for quantile in ("p50", "p95", "p99")
    }


def test_recall_is_told_as_a_distribution_over_queries() -> None:
    measured = measurement([0.0, 0.0], noise=0.0)
    spread = frontier_of(measured, 0, POLICY).spread[0]
    assert spread is not None
    assert (spread.mean, spread.median, spread.p10, spread.zero) == (pytest.approx(0.9), 1.0, 0.9, 0.0)


def test_a_store_that_does_not_reach_the_recall_is_not_compared() -> None:
    policy = dataclasses.replace(POLICY, recall=0.995)
    found = decide(measurement([0.0, 0.0]), policy, lambda theta: [])
    assert (found.verdict.word, found.verdict.reasons[0].code) == (Word.INCONCLUSIVE, "recall_unreached")
    assert "at most 0.990" in found.verdict.reasons[0].text


def test_a_store_without_a_search_parameter_is_compared_at_the_recall_it_has() -> None:
    measured = measurement([0.0, 0.0], noise=0.0)
    turns = tuple(
        dataclasses.replace(turn, readings=(dataclasses.replace(turn.readings[2], value=0),))
        if turn.store == 1
        else turn
        for turn in measured.turns
    )
    single = store("theirs1", parameter="", values=("",))
    found = decide(
        dataclasses.replace(measured, stores=(measured.stores[0], single), turns=turns), POLICY, lambda theta: []
    )
    assert any("no search parameter" in note for note in found.notes)
    weight = (0.95 - RECALLS[0]) / (RECALLS[1] - RECALLS[0])
    assert found.standings[1].theta.mean == pytest.approx(weight * GROWTH[1] - GROWTH[2])


def spoilt(measured: Measurement, number: int, value: int | None, fault: str) -> Measurement:
    def turn(one: Turn) -> Turn:
        if one.store != number:
            return one
        readings = tuple(
            dataclasses.replace(part, fault=fault) if value in (None, part.value) else part for part in one.readings
        )
        return dataclasses.replace(one, readings=readings)

    return dataclasses.replace(measured, turns=tuple(map(turn, measured.turns)))


def test_a_value_at_which_a_store_cannot_hold_the_rate_is_left_out_and_a_store_that_never_can_is_invalid() -> None:
    found = decide(spoilt(measurement([0.0, 0.0]), 1, 2, SATURATED), POLICY, lambda theta: [])
    assert found.frontiers[1].kept == (0, 1)
    assert any("ef = 64 is left out: saturated" in note for note in found.notes)
    never = decide(spoilt(measurement([0.0, 0.0]), 1, None, SATURATED), POLICY, lambda theta: [])
    assert (never.verdict.word, never.verdict.exit_code) == (Word.INVALID, 3)
    assert never.verdict.reasons[0].code == SATURATED


def test_what_was_broken_off_and_too_few_rounds_are_invalid_however_clear_they_look() -> None:
    past = past_of([LEAD] * 4)
    broken = dataclasses.replace(measurement([1.0, 0.0]), broken=("store_failed", "it holds 0 memories", "again"))
    assert decide(broken, POLICY, past).verdict.word is Word.INVALID
    short = decide(measurement([1.0, 0.0], rounds=5), POLICY, past)
    assert (short.verdict.word, short.verdict.reasons[0].code) == (Word.INVALID, "too_few_rounds")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda measured: dataclasses.replace(measured, truth_fault="the answers are not the nearest"), "unfair_truth"),
        (lambda measured: without(measured, 1, cpus=(0, 1)), "unfair_cpus"),
        (lambda measured: without(measured, 1, connections=32), "unfair_requests"),
        (lambda measured: without(measured, 1, warm=False), "unfair_warmup"),
        (lambda measured: without(measured, 0, peak_bytes=2 * 2**30), "unfair_memory"),
    ],
)
def test_a_rule_of_fairness_that_was_not_kept_is_invalid_and_named(spoil, code: str) -> None:  # type: ignore[no-untyped-def]
    policy = dataclasses.replace(POLICY, memory_bytes=2**30)
    fair = measurement([0.0, 0.0])
    assert all(rule.kept is not False for rule in rules(fair, policy))
    found = decide(spoil(fair), policy, past_of([0.0] * 4, policy))
    assert (found.verdict.word, [reason.code for reason in found.verdict.reasons]) == (Word.INVALID, [code])


def test_a_memory_limit_that_nobody_could_watch_is_stated_and_not_claimed() -> None:
    policy = dataclasses.replace(POLICY, memory_bytes=2**30)
    unseen = without(measurement([0.0, 0.0]), 1, peak_bytes=None)
    (rule,) = [rule for rule in rules(unseen, policy) if rule.code == "memory"]
    assert rule.kept is None


def test_one_batch_of_loading_is_claimed_only_where_it_was_one() -> None:
    measured = measurement([0.0, 0.0])
    stores = (measured.stores[0], dataclasses.replace(measured.stores[1], batch=100))
    for one, kept in ((measured, True), (dataclasses.replace(measured, stores=stores), None)):
        (rule,) = [rule for rule in rules(one, POLICY) if rule.code == "loading"]
        assert rule.kept is kept


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recall", 0.0), ("recall", 1.5), ("margin", -0.1), ("min_rounds", 2), ("max_rounds", 3), ("primary", "p90"),
        ("measured_ns", 1),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_work_is_refused(field: str, value: object) -> None:
    with pytest.raises(InputError):
        check_policy(dataclasses.replace(POLICY, **{field: value}))  # type: ignore[arg-type]
    check_policy(POLICY)


def test_values_of_the_test_measurements_are_those_the_store_names() -> None:
    assert measurement([0.0, 0.0]).stores[0].values == VALUES
