"""Claims about the simulator: its parts against theory, its answers, and the policies' rates."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.group_keeps import shown, truly
from perfgate.cli.main import main
from perfgate.gate.pair_effect import STATISTICS
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import QUICK, STANDARD
from perfgate.gate.verdict import Word
from perfgate.simulate.pool import make_pool
from perfgate.simulate.profile import PROFILES, Bursts, Profile
from perfgate.simulate.rates import run_gate
from perfgate.simulate.recordings import RECORDINGS, simulated
from perfgate.simulate.regression import service_factor
from perfgate.simulate.requests import LOG_MEDIAN_S, arrivals, draw_pauses, responses, service_times
from perfgate.simulate.seconds import draw_bursts, draw_noise
from perfgate.simulate.table import operating_characteristics
from perfgate.simulate.truth import TRUTHS
from perfgate.units import NS_PER_S

RATE = 330.0


# --- requests ------------------------------------------------------------------------------------------------------


def test_waits_are_those_of_a_queue_simulated_one_request_at_a_time() -> None:
    random = np.random.default_rng(1)
    load = arrivals(3, 200.0, 0.5, random)
    service, never = service_times(load, random), np.full((3, 2), np.inf)
    for row, found in enumerate(responses(load, service, never)):
        free = 0.0
        for time, takes, response in zip(load.time[row], service[row], found, strict=True):
            free = max(free, float(time)) + float(takes)
            assert response == pytest.approx(free - time, rel=1e-9)


def test_the_mean_wait_is_pollaczek_and_khinchines() -> None:
    random = np.random.default_rng(2)
    load = arrivals(40, 200.0, 60.0, random)
    service = service_times(load, random)
    wait = (responses(load, service, np.full((40, 2), np.inf)) - service)[load.counts].mean()
    expected = 200.0 * 0.002**2 * np.exp(0.6**2) / (2 * (1 - 0.4))
    assert wait == pytest.approx(expected, rel=0.03)


def test_a_pause_holds_up_what_is_served_and_what_comes_while_it_lasts() -> None:
    random = np.random.default_rng(3)
    load = arrivals(1, 200.0, 0.5, random)
    service = np.full_like(load.time, 1e-6)
    response = responses(load, service, np.array([[0.2, 0.1]]))
    during = (load.time[0] > 0.2) & (load.time[0] < 0.3)
    assert response[0, during] == pytest.approx(0.3 - load.time[0, during], abs=1e-3)
    assert response[0, ~during & (load.time[0] < 0.2)] == pytest.approx(1e-6, abs=1e-9)


def test_pauses_come_as_often_as_they_should() -> None:
    pauses = draw_pauses(40_000, 2, 0.25, np.random.default_rng(4))
    assert (pauses[::2] == pauses[1::2]).all()  # all workers of a process stop at once
    assert np.isfinite(pauses[:, 0]).mean() == pytest.approx(1 - np.exp(-0.15 * 0.25), rel=0.05)


def test_service_times_share_the_querys_half_between_builds() -> None:
    random = np.random.default_rng(5)
    load = arrivals(200, 200.0, 1.0, random)
    one, other = (np.log(service_times(load, random)).ravel() - LOG_MEDIAN_S for _ in range(2))
    assert one.std() == pytest.approx(0.6, rel=0.02)
    assert np.corrcoef(one, other)[0, 1] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("change", [0.07, 0.2, -0.1])
def test_a_regression_moves_the_true_p99_by_what_it_says(change: float) -> None:
    random = np.random.default_rng(6)
    load = arrivals(12_000, 200.0, 0.25, random)
    service, pauses = service_times(load, random), draw_pauses(12_000, 1, 0.25, random)
    p99 = [
        np.quantile(responses(load, service * factor, pauses)[load.counts], 0.99)
        for factor in (1.0, service_factor(change, 200.0))
    ]
    assert p99[1] / p99[0] - 1 == pytest.approx(change, abs=0.012)


# --- seconds -------------------------------------------------------------------------------------------------------


def noise_sd(profile: Profile) -> float:
    """sd over pairs of the mean difference of the arms."""
    noise = draw_noise(profile, STANDARD, 36, 40, 30, np.random.default_rng(7))
    return float((noise.level[..., 1] - noise.level[..., 0]).mean(axis=2).std())


def test_restarts_differ_between_processes_as_the_profile_says() -> None:
    only_restarts = Profile("restarts", 0.05, ((3, 0.0),), 0.0)
    assert noise_sd(only_restarts) == pytest.approx(0.05 * np.sqrt(2), rel=0.05)


def test_drift_of_the_host_hardly_reaches_the_difference_of_arms_that_take_turns() -> None:
    drifting = Profile("drift", 0.0, ((3, 0.05), (60, 0.05), (600, 0.05)), 0.0)
    assert noise_sd(drifting) < 0.01
    level = draw_noise(drifting, STANDARD, 36, 60, 30, np.random.default_rng(8)).level
    assert level.std() == pytest.approx(0.05 * np.sqrt(3), rel=0.1)


def test_bursts_take_the_share_of_time_that_their_length_and_gap_say() -> None:
    times = np.tile(np.linspace(0, 20_000, 40_000), (4, 1))
    added = draw_bursts(Bursts((20.0, 40.0), (1.0, 4.0), (0.2, 1.5)), times, np.random.default_rng(9))
    assert (added > 0.1).mean() == pytest.approx(2.5 / 30, rel=0.1)
    assert added[added > 0.1].mean() == pytest.approx(0.85, rel=0.1)
    assert added.min() > -1e-9


def test_no_bursts_add_nothing() -> None:
    assert not draw_bursts(None, np.arange(10.0)[None], np.random.default_rng(1)).any()


@pytest.mark.parametrize("recorded", RECORDINGS, ids=lambda recorded: f"{recorded.slice_s:g} s")
def test_the_shared_profile_spreads_pairs_as_the_recordings_do(recorded: object) -> None:
    assert isinstance(recorded, type(RECORDINGS[0]))
    profile = dataclasses.replace(PROFILES["shared"], restart=0.01)  # restarts of that store hardly differed
    found = simulated(profile, recorded.slice_s, 60, np.random.default_rng(10))
    assert 0.5 < found.pooled_p99 / recorded.pooled_p99 < 1.6  # fourteen pairs tell an sd to a factor of 1.5


# --- gates ---------------------------------------------------------------------------------------------------------


def test_quantiles_of_a_group_are_those_of_its_requests() -> None:
    """With one group a pair and a factor on the candidate's service times but no queue, the ratio is the factor's log."""
    slow = dataclasses.replace(QUICK, group_requests=10_000)
    pool = make_pool(slow, 20.0, [1.0, 1.3], 40, np.random.default_rng(11))
    assert pool.members.shape == (40, 3, 10, 10)
    assert pool.members[:, :, 0] == pytest.approx(0.1)
    difference = (pool.ratios[1.3] - pool.ratios[1.0])[:, :, 0]
    assert np.median(difference[..., 0]) == pytest.approx(np.log(1.3), abs=0.02)
    assert np.isnan(pool.ratios[1.0][:, :, 1:]).all()


@pytest.mark.parametrize(("policy", "rate"), [(STANDARD, 400.0), (QUICK, 330.0)])
def test_groups_show_no_less_of_a_change_than_pass_reckons_with(policy: Policy, rate: float) -> None:
    """`group_keeps`, of +10 % of the true p99, to what 150 pairs can tell of it."""
    column = STATISTICS.index(policy.primary)
    seen, _ = shown(policy, rate, 0.10, 150, np.random.default_rng(13))
    true = truly(rate, policy.slice_ns / NS_PER_S, 0.10, np.random.default_rng(14))
    assert policy.group_keeps - 0.02 < seen[column] / true[column] < 1.0


def test_a_table_of_zeros_passes_at_the_first_look_that_may() -> None:
    word, pairs, bimodal = run_gate(np.zeros((30, 3, 3)), np.zeros((30, 1, 2)), STANDARD)
    assert (word, pairs, bimodal) == (Word.PASS, 20, False)


def test_a_table_of_regressions_blocks_at_the_first_look() -> None:
    table = np.full((30, 3, 3), 0.2) + np.random.default_rng(12).normal(0, 1e-4, (30, 3, 3))
    assert run_gate(table, np.zeros((30, 1, 2)), STANDARD)[:2] == (Word.BLOCK, 12)


def test_bimodal_starts_keep_a_simulated_gate_undecided() -> None:
    medians = np.zeros((30, 1, 2))
    medians[::2, 0, 1] = 0.3
    assert run_gate(np.zeros((30, 3, 3)), medians, STANDARD) == (Word.INCONCLUSIVE, 30, True)


def test_the_quick_policy_passes_the_same_build_and_blocks_twenty_percent() -> None:
    profiles, truths = [PROFILES["typical"], PROFILES["shared"]], [TRUTHS["same"], TRUTHS["one20"], TRUTHS["faster10"]]
    for one in operating_characteristics(QUICK, profiles, truths, 60, 1, RATE, pool_pairs=150):
        if one.truth == "one20":
            assert one.block >= 57, one
        else:
            assert one.block <= 2, one
            assert one.passed >= 54, one


def test_a_cell_comes_out_the_same_whatever_else_is_asked_for() -> None:
    same, quiet, noisy = TRUTHS["same"], PROFILES["quiet"], PROFILES["noisy"]
    (alone,) = operating_characteristics(QUICK, [noisy], [same], 5, 3, RATE, pool_pairs=50)
    together = operating_characteristics(QUICK, [quiet, noisy], [same], 5, 3, RATE, pool_pairs=50)
    assert together[1] == alone


def test_more_pairs_than_the_pool_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="pool of 10"):
        operating_characteristics(QUICK, [], [], 5, 1, RATE, pool_pairs=10)


def test_the_verb_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rates.json"
    words = [
        "simulate",
        "--policy",
        "quick",
        "--runs",
        "3",
        "--profile",
        "quiet",
        "--truth",
        "same",
        "--json",
        str(file),
    ]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "BLOCK / PASS / INCONCLUSIVE" in printed
    assert "the same build (A/A)" in printed
    (cell,) = json.loads(file.read_text())["cells"]
    assert cell["block"] + cell["pass"] + cell["inconclusive"] == cell["runs"] == 3


@pytest.mark.parametrize(
    "wrong", [["--runs", "0"], ["--rate", "1"], ["--slice-ms", "30000"], ["--seed", "-1"], ["--margin", "0"]]
)
def test_the_verb_refuses_what_it_cannot_simulate(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *wrong]) == 3
    assert wrong[0].strip("-").replace("-ms", "") in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_false_alarms_stay_under_two_percent_in_every_profile(profile: str) -> None:
    """Proven at 95 % confidence for each, with 2,000 gates."""
    for policy, rate in ((STANDARD, 400.0), (QUICK, RATE)):
        (one,) = operating_characteristics(policy, [PROFILES[profile]], [TRUTHS["same"]], 2000, 5, rate)
        assert one.block_bounds[1] < 0.02
