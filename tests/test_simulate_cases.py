"""Claims about special cases: what fools simpler gates, decided by this one. Each case has a slow twin with more runs."""

from __future__ import annotations

import dataclasses
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from perfgate.cli import simulate as verb
from perfgate.cli.main import main
from perfgate.cli.plot_curves import draw_curves
from perfgate.gate.policy_load import STANDARD
from perfgate.simulate.case import Ask, Row
from perfgate.simulate.cases import MODULES, load_case
from perfgate.simulate.cells import run_cells
from perfgate.simulate.levels import draw_levels, pair_cycle_s
from perfgate.simulate.long_slices import PIECE_S, make_long_pool
from perfgate.simulate.profile import PROFILES, Profile
from perfgate.simulate.requests import Stalls, draw_pauses
from perfgate.simulate.table import operating_characteristics
from perfgate.simulate.truth import TRUTHS
from perfgate.stats.shares import clopper_pearson

FEW, MANY = 24, 1_000
FEWER = {"periodic": 6, "family": 10}
"""Where a gate takes a tenth of a second."""
GATES = 2
"""Of whole pairs with histograms, a third of a second each: none of them is a matter of chance."""
CHANGE = "mean p99 change %"
SILENT = Profile("silent", 0.0, ((3, 0.0),), 0.0)
SIZES = [FEW, pytest.param(MANY, marks=pytest.mark.slow)]
WHOLE = [GATES, pytest.param(40, marks=pytest.mark.slow)]


@lru_cache(maxsize=32)
def rows(name: str, runs: int) -> tuple[Row, ...]:
    runs = FEWER.get(name, runs) if runs == FEW else runs
    return tuple(load_case(name).rows(Ask(STANDARD, runs, 7, 400.0)))


def row(name: str, runs: int, *words: str) -> Row:
    """The one whose label has all the words."""
    (found,) = (one for one in rows(name, runs) if all(word in one.label for word in words))
    return found


def is_rare(one: Row, share: float = 0.008) -> bool:
    """Whether so many BLOCKs do not contradict a true share: the lower bound of what was counted lies under it."""
    return clopper_pearson(one.block, one.runs, 0.999)[0] <= share


@pytest.mark.parametrize("runs", SIZES)
def test_no_period_of_interference_makes_a_bias_in_random_order(runs: int) -> None:
    for one in rows("periodic", runs):
        if "random order" in one.label:
            assert is_rare(one), one
        if "slices in random" in one.label:
            assert abs(one.figures[CHANGE]) < 1.5, one
    assert row("periodic", runs, "slices in random", "a pair").cleared > 0.9


@pytest.mark.parametrize("runs", SIZES)
def test_a_fixed_order_is_biased_by_a_period_of_a_pair_and_says_pass(runs: int) -> None:
    fixed = row("periodic", runs, "fixed order", "period of a pair")
    assert fixed.figures[CHANGE] < -15
    assert fixed.cleared > 0.9


@pytest.mark.parametrize("runs", SIZES)
def test_starts_in_two_groups_block_nobody_and_are_not_passed_where_they_lie_apart(runs: int) -> None:
    for one in rows("bimodal", runs):
        assert is_rare(one), one
    for slower in ("30 %", "50 %"):
        apart = row("bimodal", runs, "quiet", f"half of the starts {slower}")
        assert apart.inconclusive >= 0.97 * apart.runs


@pytest.mark.parametrize("runs", SIZES)
def test_a_cold_start_within_the_warm_up_is_not_seen_and_a_longer_warm_up_hides_a_longer_one(runs: int) -> None:
    within, longer = row("cold-start", runs, "first 1 s"), row("cold-start", runs, "2 s of warm-up")
    for one in (within, longer):
        assert is_rare(one), one
        assert abs(one.figures[CHANGE]) < 1
    assert row("cold-start", runs, "first 2 s", "1 s of warm-up").figures[CHANGE] > 3


@pytest.mark.parametrize("runs", SIZES)
def test_a_heavy_tail_of_one_operation_alarms_neither_there_nor_beside_it(runs: int) -> None:
    for one in rows("heavy-tail", runs):
        assert is_rare(one), one
        if "beside" in one.label:
            assert one.cleared > 0.9


@pytest.mark.parametrize("runs", SIZES)
def test_stalls_too_rare_for_the_p99_do_not_block_and_frequent_ones_do(runs: int) -> None:
    rare, often = row("rare-stalls", runs, "every 200 s"), row("rare-stalls", runs, "every 2 s")
    assert is_rare(rare)
    assert rare.figures["all requests' p99.9 change %"] > 3  # it is there to be seen, elsewhere
    assert abs(rare.figures[CHANGE]) < 1.5
    assert often.blocked > 0.95


@pytest.mark.parametrize("runs", SIZES)
def test_false_alarms_do_not_grow_with_the_number_of_metrics(runs: int) -> None:
    for one in rows("family", runs):
        if "not shared" not in one.label:
            assert is_rare(one, 0.005), one


@pytest.mark.slow
def test_a_percent_a_week_passes_week_on_week_and_stops_at_the_anchor() -> None:
    for host in ("quiet", "typical"):
        assert row("creep", FEW, host, "week before").cleared > 0.6
        fifth = row("creep", FEW, host, "anchor of 5 weeks", "margin 5 %")
        assert fifth.cleared < 0.2
        assert fifth.figures["stopped by then %"] > 90
        assert row("creep", FEW, host, "anchor of 5 weeks", "margin 10 %").cleared > 0.8


@pytest.mark.slow
def test_they_would_grow_if_each_metric_had_the_error_of_one() -> None:
    for host in ("quiet", "noisy"):
        assert row("family", MANY, host, "not shared").blocked > 0.02


@pytest.mark.parametrize("runs", WHOLE)
def test_errors_that_rise_while_latency_falls_block(runs: int) -> None:
    for share in ("0.3 %", "1 %"):
        one = row("errors", runs, share)
        assert one.block == one.runs
        assert one.figures["BLOCK for errors"] == 1.0


@pytest.mark.parametrize("runs", WHOLE)
def test_the_same_build_is_not_blocked_for_failures_of_single_moments(runs: int) -> None:
    same, outages, faster = rows("errors", runs)[:3]
    assert "without an answer" in outages.label
    assert (same.block, outages.block, faster.block) == (0, 0, 0)


@pytest.mark.parametrize("runs", WHOLE)
def test_recall_that_falls_while_latency_falls_blocks(runs: int) -> None:
    for recall in ("0.94", "0.90"):
        one = row("recall", runs, recall)
        assert one.block == one.runs
        assert one.figures["BLOCK for recall"] == 1.0
    assert row("recall", runs, "same build").block == 0


@pytest.mark.parametrize("runs", WHOLE)
def test_a_floor_lets_microseconds_be_and_not_tenths_of_milliseconds(runs: int) -> None:
    assert row("floor", runs, "+20 µs", "no floor").blocked == 1
    assert row("floor", runs, "+20 µs", "floor_ms").passed == runs
    assert row("floor", runs, "+100 µs", "floor_ms").blocked == 1
    for words in ("no floor", "floor_ms"):
        assert row("floor", runs, "same build", words).block == 0


@pytest.mark.slow
def test_looking_after_every_pair_needs_an_error_that_is_spent() -> None:
    once, often = (row("peeking", MANY, "5.00%", when) for when in ("once", "after every pair"))
    assert 0.03 < once.blocked < 0.07
    assert often.blocked > 2 * once.blocked
    for label in ("at its looks", "the gate, asked after every pair"):
        assert is_rare(row("peeking", MANY, label), 0.005)


# --- what they stand on --------------------------------------------------------------------------------------------


def test_every_case_is_known_to_the_command_line_and_bears_its_name() -> None:
    assert tuple(MODULES) == verb.CASES
    for name in MODULES:
        case = load_case(name)
        assert case.name == name
        assert case.title
        assert case.expected


def test_a_wave_is_felt_by_whoever_is_loaded_then() -> None:
    """In fixed order with slices of half a pair and a period of a pair, base gets the high half in each pair."""
    random = np.random.default_rng(1)
    policy = STANDARD
    period = pair_cycle_s(policy, 1)
    levels = draw_levels(
        SILENT, policy, 1, 4, 20, 10, random, lambda times: np.where(times % period < period / 2, 1.0, 0.0), True
    )
    assert levels.level.shape == (20, 10, 1, 4, 2)
    assert levels.level.sum() > 0
    both = draw_levels(SILENT, policy, 36, 1, 20, 10, random, lambda times: np.ones_like(times)).level
    assert (both == 1.0).all()


def test_levels_have_the_restarts_and_drift_of_the_profile() -> None:
    restarts = Profile("restarts", 0.05, ((3, 0.0),), 0.0)
    level = draw_levels(restarts, STANDARD, 3, 12, 40, 30, np.random.default_rng(2)).level
    assert level.std() == pytest.approx(0.05, rel=0.05)
    assert np.ptp(level, axis=(2, 3)).max() == 0  # one draw a process


def test_a_long_slice_holds_the_requests_of_its_time() -> None:
    policy = dataclasses.replace(STANDARD, slice_ns=3_000_000_000)
    pool = make_long_pool(policy, 400.0, [1.0, 1.2], 20, np.random.default_rng(3))
    assert (pool.couples, pool.pieces) == (3, round(3 / PIECE_S))
    held = (~np.isnan(pool.base)).sum(axis=-1)
    assert held.mean() == pytest.approx(1_200, rel=0.02)
    assert (held == (~np.isnan(pool.candidate[1.2])).sum(axis=-1)).all()
    assert np.nanmedian(pool.candidate[1.2] - pool.candidate[1.0]) >= np.log(1.2) - 0.01
    assert (np.diff(pool.place, axis=-1)[..., :1_000] >= 0).all()


def test_long_slices_let_bursts_decide_and_short_ones_do_not() -> None:
    long = dataclasses.replace(STANDARD, slice_ns=3_000_000_000)
    spreads = [
        operating_characteristics(policy, [PROFILES["shared"]], [TRUTHS["same"]], 20, 4, 400.0, pool_pairs=100)[0]
        for policy in (STANDARD, long)
    ]
    assert spreads[1].plain_sd > 1.5 * spreads[0].plain_sd
    assert spreads[1].passed < spreads[0].passed


def test_cells_come_out_the_same_on_any_number_of_processes() -> None:
    asked = ([PROFILES["quiet"], PROFILES["noisy"]], [TRUTHS["same"]], 4, 3, 400.0)
    alone = operating_characteristics(STANDARD, *asked, pool_pairs=40)
    assert operating_characteristics(STANDARD, *asked, pool_pairs=40, processes=2) == alone


def test_no_cells_are_no_rates() -> None:
    pool = make_long_pool(STANDARD, 400.0, [1.0], 1, np.random.default_rng(1))
    assert run_cells([], STANDARD, pool, 2, lambda what, share: None) == []


def test_stalls_take_the_place_of_what_a_slice_had() -> None:
    random = np.random.default_rng(5)
    pauses = draw_pauses(40_000, 2, 0.25, random)
    stalled = Stalls(0.5, 0.05).added_to(pauses, 2, 0.25, random)
    assert (stalled[::2] == stalled[1::2]).all()
    assert (stalled[:, 1] == 0.05).mean() == pytest.approx(1 - np.exp(-0.5 * 0.25), rel=0.05)
    untouched = stalled[:, 1] != 0.05
    assert (stalled[untouched] == pauses[untouched]).all()


# --- the verb ------------------------------------------------------------------------------------------------------


def test_the_verb_says_what_is_expected_and_what_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cases.json"
    assert main(["simulate", "--case", "cold-start", "--runs", "2", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "expected: what is over within the warm-up is not seen" in printed
    (case,) = json.loads(file.read_text())["cases"]
    assert all(one["block"] + one["pass"] + one["inconclusive"] == 2 for one in case["rows"])


def test_the_verb_draws_a_curve_that_rises_to_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "power.svg"
    words = [
        "simulate",
        "--policy",
        "quick",
        "--profile",
        "quiet",
        "--runs",
        "3",
        "--rate",
        "330",
        "--curve",
        str(file),
    ]
    assert main(words) == 0
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("one operation +20 %") and "100 / 0 / 0" in line for line in printed)
    svg = file.read_text()
    assert svg.startswith("<svg")
    assert "margin 10 %" in svg
    assert ">quiet<" in svg


def test_a_curve_puts_each_share_where_it_belongs() -> None:
    svg = draw_curves("a < b", [0.0, 0.1, 0.2], {"quiet": [0.0, 0.5, 1.0], "noisy": [0.0, 0.0, 0.0]}, 0.05)
    assert 'points="60.0,380.0 335.0,215.0 610.0,50.0"' in svg
    assert "a &lt; b" in svg
    assert svg.count("<polyline") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ["--case", "recall", "--truth", "same"],
        ["--curve", "x.svg", "--truth", "same"],
        ["--processes", "0"],
        ["--case", "recall", "--mode", "duet"],
    ],
)
def test_the_verb_refuses_what_does_not_go_together(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *wrong]) == 3
    assert wrong[0] in capsys.readouterr().err
