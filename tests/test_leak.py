"""Claims about the leak of a duet: the estimate on data whose truth is known, and who may not load both builds at once."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pairs import OPERATIONS, World, make_pairs

from perfgate.calibration import make
from perfgate.calibration.choose import policy_label
from perfgate.calibration.digest import noise_digest
from perfgate.calibration.document import leak_line
from perfgate.calibration.duet import require_little_leak
from perfgate.calibration.host import identity
from perfgate.calibration.leak import Block, block_shifts, estimate_leak, leak_of
from perfgate.calibration.make import Measured
from perfgate.calibration.profile import FalseAlarm, HostProfile, Prediction, Recommended
from perfgate.calibration.profile_file import default_path, read_profile, write_profile
from perfgate.errors import InputError, MeasurementError
from perfgate.gate.policy_load import policy_for
from perfgate.operation import Operation
from perfgate.scenario import load_scenario
from perfgate.segment import Arm
from perfgate.units import NS_PER_S

SEARCH = Operation.EMBEDDING_SEARCH
DUET = policy_for({}, "quick", mode="duet")
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SCENARIO = load_scenario("scenarios/ci/quick.toml")


def shifts(
    leak: float, delay: float, blocks: int, random: np.random.Generator, sd: float = 0.03
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What leaks by design, under restarts of `sd`, and a burst in one pair of twenty that both sides feel."""
    process = sd * random.standard_normal((blocks, 4))
    bursts = np.where(random.random((blocks, 2)) < 0.05, random.uniform(0.1, 0.5, (blocks, 2)), 0.0)
    same = process[:, 2:].mean(axis=1) + bursts[:, 1] - bursts[:, 0]
    return leak * delay + process[:, 0] - same, delay + process[:, 1] - same


@pytest.mark.parametrize("truth", [0.0, 0.1, 0.5])
def test_each_bound_holds_the_true_leak_as_often_as_it_should(truth: float) -> None:
    random = np.random.default_rng(1)
    found = [leak_of(*shifts(truth, math.log(2), 10, random), DUET, SEARCH) for _ in range(200)]
    assert np.mean([one.upper >= truth for one in found]) > 0.9
    assert np.mean([one.lower <= truth for one in found]) > 0.9
    assert np.median([one.share for one in found]) == pytest.approx(truth, abs=0.02)
    assert all(one.lower <= one.share <= one.upper for one in found)


def test_more_blocks_tell_a_leak_more_narrowly() -> None:
    def width(blocks: int) -> float:
        random = np.random.default_rng(2)
        found = [leak_of(*shifts(0.1, 0.7, blocks, random), DUET, SEARCH) for _ in range(20)]
        return float(np.mean([one.upper - one.lower for one in found]))

    assert width(48) < 0.5 * width(6)


def test_a_leak_of_exact_shifts_is_exact() -> None:
    delayed = np.array([0.7, 0.6, 0.8, 0.7, 0.65, 0.75])
    found = leak_of(0.2 * delayed, delayed, DUET, SEARCH)
    assert (found.share, found.lower, found.upper) == pytest.approx((0.2, 0.2, 0.2), abs=1e-6)


def test_a_variant_that_is_not_slower_tells_no_leak() -> None:
    with pytest.raises(MeasurementError, match=r"not proven slower.*--leak-variant"):
        leak_of(*shifts(0.1, 0.0, 10, np.random.default_rng(3)), DUET, SEARCH)


@pytest.mark.parametrize("spoilt", [1, 3])
@pytest.mark.parametrize("side", [0, 1])
def test_blocks_in_which_a_build_answered_nothing_tell_no_leak(spoilt: int, side: int) -> None:
    sides = shifts(0.5, 0.7, 10, np.random.default_rng(6))
    sides[side][:spoilt] = math.nan
    with pytest.raises(MeasurementError, match=r"answered no embedding_search.*cannot be told"):
        leak_of(*sides, DUET, SEARCH)


def made_blocks(leak: float, count: int = 6) -> list[Block]:
    delay = math.log(2)
    slow = World(factor={SEARCH: 2.0}, base_factor={SEARCH: math.exp(leak * delay)}, requests=200)
    same, delayed = make_pairs(count, World(requests=200), seed=4), make_pairs(count, slow, seed=5)
    return [Block(*both) for both in zip(same, delayed, strict=True)]


def test_the_leak_is_that_of_the_operation_which_the_delay_moves_most() -> None:
    found = estimate_leak(made_blocks(0.25), DUET, OPERATIONS)
    assert (found.operation, found.statistic, found.blocks) == (SEARCH, "p95", 6)
    assert found.delayed == pytest.approx(math.log(2), abs=0.06)
    assert found.share == pytest.approx(0.25, abs=0.08)


def test_shifts_are_those_of_the_operation_and_of_each_side() -> None:
    moved = block_shifts(made_blocks(0.25)[0], SEARCH, DUET)
    assert moved.shape == (2, 3)
    assert moved[Arm.CANDIDATE, 0] == pytest.approx(math.log(2), abs=0.1)
    assert moved[Arm.BASE, 0] == pytest.approx(0.25 * math.log(2), abs=0.1)
    assert abs(block_shifts(made_blocks(0.25)[0], Operation.STORE, DUET)[:, 0]).max() < 0.1


def test_too_few_blocks_are_refused_with_the_remedy() -> None:
    with pytest.raises(MeasurementError, match=r"3 usable blocks.*4 are needed.*--leak-blocks"):
        estimate_leak(made_blocks(0.1, 3), DUET, OPERATIONS)


# --- who may use a duet --------------------------------------------------------------------------------------------

ENVIRONMENT = {"host": "here", "cpu": "one", "cores": "4"}


@pytest.fixture(scope="module")
def plain() -> HostProfile:
    """Of a duet whose leak was not measured."""
    return HostProfile(
        host=identity(ENVIRONMENT), target="embedded", variant="default", scenario=SCENARIO.name,
        scenario_digest=noise_digest(SCENARIO), policy="quick", slice_ns=DUET.slice_ns, measured_ns=DUET.measured_ns,
        group_requests=DUET.group_requests, pairs=12, starts=24, pair_ns=8 * NS_PER_S, made_at=NOW - timedelta(days=1),
        expires_at=NOW + timedelta(days=29), components=(), false_alarm=FalseAlarm(0.0, 0.0, 0.01, 400), predictions=(),
        recommended=Recommended("alternation", 250.0, 8, 0.1), mode="duet",
    )  # fmt: skip


def ask(path: Path, policy_mode: str = "duet", now: datetime = NOW) -> HostProfile | None:
    policy = policy_for({}, "quick", mode=policy_mode)
    return require_little_leak(SCENARIO, "embedded", policy, ENVIRONMENT, now, path)


def test_alternation_asks_for_no_profile(tmp_path: Path) -> None:
    assert ask(tmp_path / "none.json", "alternation") is None


def test_a_duet_without_a_profile_is_refused_with_the_command_that_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"there is no host profile .*quick-duet.*--mode duet.*alternation"):
        require_little_leak(SCENARIO, "embedded", DUET, ENVIRONMENT, NOW)


@pytest.mark.parametrize(
    ("leak", "upper", "words"),
    [
        (None, None, "without --leak-variant"),
        (0.3, 0.4, "30 % of a slowdown .*alternation"),
        (0.06, 0.14, "may be up to 14 % .*--leak-blocks"),
    ],
)
def test_a_duet_is_refused_until_little_leak_is_proven(
    tmp_path: Path, plain: HostProfile, leak: float | None, upper: float | None, words: str
) -> None:
    path = tmp_path / "profile.json"
    write_profile(path, dataclasses.replace(plain, leak=leak, leak_upper=upper))
    with pytest.raises(InputError, match=words):
        ask(path)


def test_a_duet_is_allowed_by_a_profile_that_proves_little_leak_until_it_expires(
    tmp_path: Path, plain: HostProfile
) -> None:
    path = tmp_path / "profile.json"
    write_profile(path, dataclasses.replace(plain, leak=0.05, leak_upper=0.09))
    allowed = ask(path)
    assert allowed is not None
    assert (allowed.leak, allowed.leak_upper, allowed.mode) == (0.05, 0.09, "duet")
    with pytest.raises(InputError, match=r"expired.*calibrate"):
        ask(path, now=NOW + timedelta(days=60))


def test_a_profile_of_alternation_allows_no_duet(tmp_path: Path, plain: HostProfile) -> None:
    path = tmp_path / "profile.json"
    write_profile(path, dataclasses.replace(plain, leak=0.0, leak_upper=0.01, mode="alternation"))
    with pytest.raises(InputError, match=r"another mode \(alternation, here duet\)"):
        ask(path)


def test_profiles_of_both_modes_lie_side_by_side() -> None:
    both = [
        default_path("t", SCENARIO, policy_label(policy_for({}, "quick", mode=mode)))
        for mode in ("alternation", "duet")
    ]
    assert both[0] != both[1]


def test_a_profile_says_whether_a_duet_may_be_used(tmp_path: Path, plain: HostProfile) -> None:
    assert "--leak-variant" in leak_line(plain, DUET)
    assert "may use mode duet" in leak_line(dataclasses.replace(plain, leak=0.05, leak_upper=0.09), DUET)
    assert 'mode = "alternation"' in leak_line(dataclasses.replace(plain, leak=0.05, leak_upper=0.2), DUET)
    assert leak_line(dataclasses.replace(plain, mode="alternation"), DUET) == ""
    write_profile(tmp_path / "p.json", dataclasses.replace(plain, leak=0.05, leak_upper=0.09))
    assert read_profile(tmp_path / "p.json").leak_upper == 0.09


def test_a_measured_leak_decides_what_the_profile_recommends(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Prediction(None, 0.0, 0.0, 1.0, 0.0, 8.0, 400)
    monkeypatch.setattr(make, "predictions", lambda *about: (nothing,))  # seconds of resampling that say nothing here
    pairs = tuple(make_pairs(8, World(requests=80), seed=6))
    measured = Measured(pairs, {}, "embedded", "default", SCENARIO, DUET, DUET.slice_ns, 8 * NS_PER_S)
    found = estimate_leak(made_blocks(0.25), DUET, OPERATIONS)
    for upper, mode in ((0.08, "duet"), (0.30, "alternation")):
        profile = make.make_profile(measured, NOW, 1, leak=dataclasses.replace(found, upper=upper))
        assert (profile.recommended.mode, profile.leak_upper, profile.mode) == (mode, upper, "duet")
