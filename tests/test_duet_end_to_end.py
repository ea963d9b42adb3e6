"""Claims about duets from the command line to the store and back: both builds loaded at once, and only where allowed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cluster import perfgate, write_scenario, write_target
from perfgate_agent.environment import describe_environment

from perfgate.calibration.digest import noise_digest
from perfgate.calibration.host import identity
from perfgate.calibration.profile import FalseAlarm, HostProfile, Recommended
from perfgate.calibration.profile_file import read_profile, write_profile
from perfgate.gate.policy_load import policy_for
from perfgate.interval_log import read_intervals
from perfgate.scenario import load_scenario

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def allow(directory: Path, scenario_file: Path, leak_upper: float = 0.05) -> Path:
    """A profile as a calibration of this host would write it."""
    scenario = load_scenario(scenario_file)
    policy = policy_for(scenario.gate, mode="duet")
    path = directory / "profile.json"
    profile = HostProfile(
        host=identity(describe_environment()), target="embedded", variant="default", scenario=scenario.name,
        scenario_digest=noise_digest(scenario), policy=policy.name, slice_ns=policy.slice_ns,
        measured_ns=policy.measured_ns, group_requests=policy.group_requests, pairs=12, starts=24, pair_ns=2_000_000_000,
        made_at=NOW - timedelta(days=1), expires_at=NOW + timedelta(days=29), components=(),
        false_alarm=FalseAlarm(0.0, 0.0, 0.01, 400), predictions=(),
        recommended=Recommended("duet", 250.0, 8, 0.1), leak=leak_upper / 2, leak_upper=leak_upper, mode="duet",
    )  # fmt: skip
    write_profile(path, profile)
    return path


def gate(directory: Path, candidate: str, *more: str, rate: float = 400.0) -> list[str]:
    scenario, target = write_scenario(directory, rate=rate), write_target(directory)
    return [
        "gate", str(scenario), "--target", str(target), "--base", "default", "--candidate", candidate,
        "--out", str(directory / "out"), "--mode", "duet", "--profile", str(allow(directory, scenario)), *more,
    ]  # fmt: skip


def result(directory: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((directory / "out" / "result.json").read_text())
    return loaded


@pytest.mark.parametrize(
    "driver", ["engine", pytest.param("portable", marks=pytest.mark.slow)]
)  # with each of them: test_twins
def test_a_duet_loads_both_builds_with_the_same_requests_at_the_same_time(
    tmp_path: Path, cache: Path, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERFGATE_DRIVER", driver)
    done = perfgate(gate(tmp_path, "default"), cache)
    assert done.returncode in (0, 4), done.stdout + done.stderr
    record, policy = result(tmp_path)["record"], result(tmp_path)["comparison"]["policy"]
    assert record["complete"] is True
    assert policy["mode"] == "duet"
    due: dict[tuple[int, int], dict[int, int]] = {}
    for pair, interval in read_intervals(tmp_path / "out" / "intervals.jsonl").intervals:
        couple, arm = divmod(interval.segment, 2)
        arms = due.setdefault((pair, couple), {})
        arms[arm] = arms.get(arm, 0) + interval.due
    assert len(due) >= 2 * 3  # two pairs, each a warm-up and two slices
    for arms in due.values():
        assert arms[0] == arms[1] > 0
    base, candidate = (record["arms"][arm] for arm in ("base", "candidate"))
    assert base["due"] == candidate["due"]


@pytest.mark.slow
def test_a_build_that_fails_requests_is_blocked_in_a_duet_too(tmp_path: Path, cache: Path) -> None:
    done = perfgate(gate(tmp_path, "failing"), cache)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "of the candidate's requests fail" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_a_candidate_alone_that_cannot_hold_the_rate_is_blocked_in_the_first_pair_beside_a_base_that_does(
    tmp_path: Path, cache: Path
) -> None:
    done = perfgate(gate(tmp_path, "weak", rate=500.0), cache, watched=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the base held the rate" in " ".join(done.stdout.split())
    assert len(result(tmp_path)["record"]["pairs"]) == 1


def test_a_duet_without_a_profile_is_refused_before_anything_is_started(tmp_path: Path, cache: Path) -> None:
    arguments = [word for word in gate(tmp_path, "default") if word != str(tmp_path / "profile.json")]
    done = perfgate([*arguments[: arguments.index("--profile")], "--profile", str(tmp_path / "none.json")], cache)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "make one with perfgate calibrate" in " ".join(done.stderr.split())


def test_a_duet_on_a_host_that_leaks_is_refused_with_the_remedy(tmp_path: Path, cache: Path) -> None:
    arguments = gate(tmp_path, "default")
    allow(tmp_path, tmp_path / "small.toml", leak_upper=0.4)
    done = perfgate(arguments, cache)
    assert done.returncode == 3, done.stdout + done.stderr
    words = " ".join(done.stderr.split())
    assert 'mode = "duet" is not for this host' in words
    assert 'set mode = "alternation"' in words
    assert not (tmp_path / "out" / "result.json").exists()


@pytest.mark.slow
def test_a_calibration_measures_what_leaks_and_writes_it_into_the_profile(tmp_path: Path, cache: Path) -> None:
    scenario, target = write_scenario(tmp_path), write_target(tmp_path)
    target.write_text(target.read_text() + '[variants.slow]\narguments = ["--slow", "embedding_search=4"]\n')
    done = perfgate(
        [
            "calibrate", str(scenario), "--target", str(target), "--mode", "duet", "--pairs", "8", "--leak-variant", "slow",
            "--leak-blocks", "6", "--profile", str(tmp_path / "made.json"), "--out", str(tmp_path / "out"),
        ],
        cache, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    profile = read_profile(tmp_path / "made.json")
    assert profile.mode == "duet"
    assert profile.leak is not None
    assert profile.leak_upper is not None
    assert profile.leak <= profile.leak_upper
    assert "of a slowdown of one build reaches the other" in " ".join(done.stdout.split())
