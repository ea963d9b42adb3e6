"""Claims about calibration: what it finds in pairs of which the noise is known, and what its predictions are worth."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from gate_values import SEARCH, STORE, THREE, pairs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import perfgate.calibration.resample as resampling
from perfgate.calibration.components import components, tail_gains, tails_are_heavy
from perfgate.calibration.document import profile_document
from perfgate.calibration.make import LEAST_PAIRS, Measured, make_profile, pairs_needed
from perfgate.calibration.profile import HostProfile
from perfgate.calibration.resample import resample
from perfgate.gate.outlook import gate_outlook, seen
from perfgate.gate.pair_effect import PairEffect, trimmed_ratios
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import QUICK, STANDARD, policy_for
from perfgate.gate.verdict import Word
from perfgate.report.terminal import make_console, render
from perfgate.scenario import parse_scenario
from perfgate.segment import Arm
from perfgate.simulate.profile import PROFILES
from perfgate.simulate.seconds import draw_noise
from perfgate.stats.tail_weight import gain, symmetric_se
from perfgate.stats.variance_bounds import difference_df, difference_upper, sd_bounds

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SCENARIO = parse_scenario(
    {
        "name": "Small One",
        "duration": {"total_seconds": 30},
        "arrival": {"pattern": "constant", "rate": 1000},
        "operations": {"store_weight": 1, "recall_weight": 1, "embedding_search_weight": 1},
        "data": {"num_nodes": 1000, "embedding_dim": 8},
    }
)
POLICY = dataclasses.replace(QUICK, looks=(8, 12, 16))


@pytest.fixture(autouse=True)
def _fewer_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "SAME_GATES", 100)
    monkeypatch.setattr(resampling, "CHANGED_GATES", 20)


def made(count: int = 24, seed: int = 3) -> HostProfile:
    measured = Measured(
        tuple(pairs(count, seed=seed)), {"cpu": "A", "cores": "2"}, "embedded", "default", SCENARIO, POLICY,
        250_000_000, 8_000_000_000,
    )  # fmt: skip
    return make_profile(measured, NOW, seed=1)


def effect(by_group: np.ndarray) -> PairEffect:
    """The same series for all three quantiles."""
    table = np.repeat(by_group[:, None], 3, axis=1)
    return PairEffect(trimmed_ratios(table, 0.2), table, np.zeros(len(table), dtype=bool))


# --- bounds ----------------------------------------------------------------------------------------------------


@given(st.floats(1e-3, 10), st.integers(1, 200))
def test_bounds_of_a_standard_deviation_are_those_of_chi_square(sd: float, df: int) -> None:
    lower, upper = sd_bounds(sd, df)
    assert lower == pytest.approx(sd * math.sqrt(df / stats.chi2.ppf(0.975, df)))
    assert upper == pytest.approx(sd * math.sqrt(df / stats.chi2.ppf(0.025, df)))


@pytest.mark.parametrize("true", [0.2, 1.0, 5.0])
def test_the_upper_bound_of_a_difference_covers_it_as_often_as_it_says(true: float) -> None:
    random = np.random.default_rng(5)
    first_df, second_df, runs = 19, 20, 2_000
    first = (1 + true) * random.chisquare(first_df, runs) / first_df
    second = random.chisquare(second_df, runs) / second_df
    covered = [difference_upper(a, first_df, b, second_df) >= true for a, b in zip(first, second, strict=True)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_a_difference_has_fewer_degrees_of_freedom_the_nearer_it_is_to_nothing() -> None:
    assert difference_df(1.0, 19, 0.0, 20) == 19
    assert difference_df(1.0, 19, 0.9, 20) < 1
    assert difference_df(1.0, 19, 1.0, 20) == 0


# --- components ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["typical", "noisy"])
def test_the_components_of_simulated_noise_are_found_again(name: str) -> None:
    profile = dataclasses.replace(PROFILES[name], bursts=None)
    noise = draw_noise(profile, STANDARD, 36, 1, 600, np.random.default_rng(2))
    sampling = np.random.default_rng(3).normal(0, 0.05, noise.level.shape[1:3])
    differences = noise.level[0, :, :, Arm.CANDIDATE] - noise.level[0, :, :, Arm.BASE] + sampling
    found = {STORE: [effect(series) for series in differences]}
    (part, *_) = components(found, dict.fromkeys([(STORE, one) for one in ("p50", "p95", "p99")], 0.0), 0.1)
    assert part.restart_sd == pytest.approx(profile.restart, rel=0.15)
    assert part.restart_upper > part.restart_sd
    assert part.within_sd == pytest.approx(0.05 / math.sqrt(36), rel=0.1)
    whole = math.sqrt(2 * part.restart_sd**2 + part.drift_sd**2 + part.within_sd**2)
    assert part.pair_sd == pytest.approx(whole, rel=0.1)
    assert part.pair_sd_lower < part.pair_sd < part.pair_sd_upper


def test_pairs_with_too_few_groups_count_everything_as_restarts() -> None:
    random = np.random.default_rng(1)
    found = {STORE: [effect(random.normal(0, 0.03, 2)) for _ in range(20)]}
    (part, *_) = components(found, tail_gains(found, QUICK), 0.1)
    assert part.restart_sd == pytest.approx(part.pair_sd / math.sqrt(2))
    assert part.restart_upper > part.restart_sd
    assert (part.drift_sd, part.within_sd, part.restart_df) == (0.0, 0.0, 19.0)


def test_tails_are_heavy_where_a_third_of_the_pairs_was_spoilt_and_not_where_all_are_alike() -> None:
    random = np.random.default_rng(4)

    def tables(spoilt: float) -> dict[object, list[PairEffect]]:
        factor = np.where(random.random((3, 40)) < spoilt, 8.0, 1.0)
        return {
            one: [effect(np.full(4, value)) for value in random.normal(0, 0.02, 40) * factor[row]]
            for row, one in enumerate(THREE)
        }

    calm, spoilt = tables(0.0), tables(1 / 3)
    assert not tails_are_heavy(tail_gains(calm, QUICK), QUICK)  # type: ignore[arg-type]
    assert tails_are_heavy(tail_gains(spoilt, QUICK), QUICK)  # type: ignore[arg-type]


@given(st.floats(0.01, 100))
def test_how_heavy_tails_are_does_not_depend_on_the_unit(scale: float) -> None:
    values = np.random.default_rng(6).standard_t(2, 30)
    assert gain(scale * values, 0.1, 0.25, 16, 0.001) == pytest.approx(gain(values, 0.1, 0.25, 16, 0.001), abs=1e-9)


def test_the_symmetric_error_untrimmed_is_the_root_of_the_mean_square() -> None:
    values = np.random.default_rng(7).normal(0, 1, 30)
    assert symmetric_se(values, 0.0) == pytest.approx(math.sqrt(np.mean(values**2) / 30), rel=0.01)


# --- gates resampled -------------------------------------------------------------------------------------------


def words(table: np.ndarray, policy: Policy, shift: float = 0.0, runs: int = 400) -> dict[Word, float]:
    medians = np.zeros((*table.shape[:2], 2))
    added = np.full((table.shape[1], 1), shift)
    counts, _ = resample(table, medians, policy, THREE[: table.shape[1]], added, runs, np.random.default_rng(8))
    return {word: counts[word] / runs for word in Word}


def test_on_normal_noise_resampled_gates_raise_false_alarms_as_often_as_the_rule_spends() -> None:
    policy = dataclasses.replace(QUICK, alpha_block=0.10, margin=1e-6)
    table = np.random.default_rng(9).normal(0, 0.02, (2_000, 1, 3))
    assert words(table, policy, runs=800)[Word.BLOCK] == pytest.approx(0.10, abs=0.03)


def test_what_the_pairs_happen_to_favour_makes_no_false_alarm() -> None:
    policy = dataclasses.replace(QUICK, alpha_block=0.10, margin=1e-6)
    table = np.random.default_rng(9).normal(0.02, 0.02, (20, 1, 3))
    assert words(table, policy)[Word.BLOCK] < 0.15


def test_resampled_gates_pass_the_same_build_on_a_quiet_host_and_block_what_is_far_slower() -> None:
    table = np.random.default_rng(10).normal(0, 0.01, (20, 3, 3))
    assert words(table, QUICK)[Word.PASS] == 1.0
    assert words(table, QUICK, math.log(1.25))[Word.BLOCK] == 1.0


def test_the_absolute_floor_is_left_out_of_predictions() -> None:
    table = np.random.default_rng(10).normal(0, 0.01, (20, 3, 3))
    assert words(table, dataclasses.replace(QUICK, floor_ns=10**9), math.log(1.25))[Word.BLOCK] == 1.0


# --- the whole profile -----------------------------------------------------------------------------------------


def test_a_profile_is_made_of_the_same_pairs_in_the_same_way_each_time() -> None:
    assert made() == made()


def test_a_profile_tells_what_its_pairs_say() -> None:
    profile = made()
    assert (profile.pairs, profile.starts, profile.policy) == (24, 48, "quick")
    assert {(part.operation, part.statistic) for part in profile.components} == {
        (operation, statistic) for operation in THREE for statistic in ("p50", "p95", "p99")
    }
    same, *changed = profile.predictions
    assert same.block <= 0.02
    assert profile.false_alarm.lower <= profile.false_alarm.share <= profile.false_alarm.upper
    assert {(one.operation, one.change) for one in changed} == {(name, by) for name in THREE for by in (0.1, 0.2)}
    for one in profile.predictions:
        assert one.block + one.passed + one.inconclusive == pytest.approx(1)
    assert profile.recommended.mode == "alternation"
    assert profile.expires_at > profile.made_at


def test_too_few_pairs_make_no_profile() -> None:
    with pytest.raises(ValueError, match="usable pairs"):
        made(count=LEAST_PAIRS - 1)


def test_more_noise_asks_for_more_pairs_and_sees_less() -> None:
    profile = made()
    noisier = [dataclasses.replace(part, trimmed_sd=3 * part.trimmed_sd) for part in profile.components]
    assert pairs_needed(noisier, POLICY, 3) >= pairs_needed(profile.components, POLICY, 3)
    sds = (0.01, 0.02, 0.05, 0.2)
    changes = [seen(POLICY, sd, 3) for sd in sds]
    assert changes == sorted(changes)
    assert seen(POLICY, 0.05, 3, power=0.99) > seen(POLICY, 0.05, 3)
    assert seen(POLICY, 0.05, 3, pairs=12) > seen(POLICY, 0.05, 3, pairs=16)


def test_the_outlook_goes_by_the_measured_noise_where_there_is_a_profile() -> None:
    profile = made()
    outlook = gate_outlook(SCENARIO, POLICY, 1000.0, profile)
    part = profile.component(SEARCH, "p95")
    assert part is not None
    sight = next(one for one in outlook.sights if one.operation is SEARCH)
    assert sight.detectable == {"here": seen(POLICY, part.trimmed_sd, 3)}
    assert outlook.longest_ns == 16 * profile.pair_ns


def test_where_few_processes_serve_many_pairs_the_outlook_counts_what_starts_add_by_processes() -> None:
    profile, few = made(), policy_for({}, "quick", starts=4)

    def sees(restart_sd: float, policy: Policy) -> float:
        parts = [dataclasses.replace(part, restart_sd=restart_sd, trimmed_sd=0.04) for part in profile.components]
        outlook = gate_outlook(SCENARIO, policy, 1000.0, dataclasses.replace(profile, components=tuple(parts)))
        return outlook.sights[0].detectable["here"]

    alone = dataclasses.replace(few, starts=0)
    assert sees(0.0, few) == sees(0.0, alone)
    all_of_it = 0.04 / math.sqrt(2)
    wider = 0.04 * math.sqrt(few.looks[-1] / 4)
    assert sees(all_of_it, few) == pytest.approx(seen(alone, wider, 3))
    assert sees(0.0, few) < sees(0.01, few) < sees(all_of_it, few)
    assert sees(0.01, alone) == sees(0.0, alone)


def test_the_page_names_what_a_gate_sees_and_what_to_do(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    from pathlib import Path

    render(profile_document(made(), POLICY, Path("p.json"), Path("run")), make_console())
    text = " ".join(capsys.readouterr().out.split())
    for words_there in (
        "CALIBRATED",
        "the same build",
        "search 20 % slower",
        "24 pairs (48 starts)",
        "Mode alternation",
    ):
        assert words_there in text
