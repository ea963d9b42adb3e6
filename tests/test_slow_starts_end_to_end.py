"""Claims about processes that serve several pairs, from the command line to the store and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cluster import TARGET, perfgate, write_scenario
from perfgate_agent.environment import describe_environment

from perfgate.calibration.digest import noise_digest
from perfgate.calibration.host import identity
from perfgate.calibration.profile import Component, FalseAlarm, HostProfile, Recommended
from perfgate.calibration.profile_file import write_profile
from perfgate.gate.pair_effect import STATISTICS
from perfgate.gate.policy_load import policy_for
from perfgate.scenario import load_scenario
from perfgate.scenario.model import Scenario

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def slow_scenario(directory: Path) -> Path:
    """Three processes a build, two pairs each."""
    path = write_scenario(directory, gate="starts = 3")
    text = path.read_text().replace("looks = [2, 3]", "looks = [4, 6]")
    path.write_text(text.replace("measured_seconds = 0.5", "measured_seconds = 0.25"))
    return path


def calibrate(directory: Path, scenario: Scenario, starts: int) -> Path:
    """A profile as a calibration of this host would write it."""
    policy, path = policy_for(scenario.gate), directory / "profile.json"
    parts = tuple(
        Component(operation, statistic, 0.05, 15.0, 0.08, 0.0, 0.1, 0.12, 0.1, 0.2, 0.12, 0.12, False)
        for operation in scenario.weights
        for statistic in STATISTICS
    )
    profile = HostProfile(
        host=identity(describe_environment()), target="embedded", variant="default", scenario=scenario.name,
        scenario_digest=noise_digest(scenario), policy=policy.name, slice_ns=policy.slice_ns,
        measured_ns=policy.measured_ns, group_requests=policy.group_requests, pairs=starts // 2, starts=starts,
        pair_ns=2_000_000_000, made_at=NOW - timedelta(days=1), expires_at=NOW + timedelta(days=29), components=parts,
        false_alarm=FalseAlarm(0.0, 0.0, 0.01, 400), predictions=(),
        recommended=Recommended("alternation", 250.0, 6, 0.1),
    )  # fmt: skip
    write_profile(path, profile)
    return path


def gate(directory: Path, candidate: str, *more: str, host: str = "") -> list[str]:
    target = directory / "embedded.toml"
    target.write_text(TARGET.replace("[host]\n", f"[host]\n{host}\n"))
    return [
        "gate", str(slow_scenario(directory)), "--target", str(target), "--base", "default", "--candidate", candidate,
        "--out", str(directory / "out"), *more,
    ]  # fmt: skip


def with_profile(directory: Path, starts: int = 24) -> list[str]:
    return ["--profile", str(calibrate(directory, load_scenario(slow_scenario(directory)), starts))]


def test_three_processes_serve_two_pairs_each_loaded_anew_where_the_store_cannot_serve_a_copy(
    tmp_path: Path, cache: Path
) -> None:
    done = perfgate(gate(tmp_path, "default", *with_profile(tmp_path), host="copyable = false"), cache)
    assert done.returncode in (0, 4), done.stdout + done.stderr
    result: dict[str, Any] = json.loads((tmp_path / "out" / "result.json").read_text())
    pairs = result["record"]["pairs"]
    assert [pair["start"] for pair in pairs] == [0, 0, 1, 1, 2, 2][: len(pairs)]
    assert len(pairs) in (4, 6)
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        assert (first["ports"], first["start_ns"]) == (second["ports"], second["start_ns"])  # the same processes
    assert pairs[0]["start_ns"] != pairs[2]["start_ns"]
    judged = [effect for effect in result["comparison"]["effects"] if effect["primary"]]
    assert judged
    assert all(0 <= effect["starts_p"] <= 1 for effect in judged)
    assert "loaded anew" in done.stderr


@pytest.mark.parametrize("starts", [0, 18])
def test_without_a_calibration_of_twenty_starts_it_is_refused_before_anything_is_measured(
    tmp_path: Path, cache: Path, starts: int
) -> None:
    more = with_profile(tmp_path, starts) if starts else []
    done = perfgate(gate(tmp_path, "default", *more), cache)
    assert done.returncode == 3
    assert "could only be INCONCLUSIVE" in done.stderr
    assert "perfgate calibrate" in done.stderr
    assert not (tmp_path / "out" / "result.json").exists()


@pytest.mark.slow  # in its first pair: test_gate_end_to_end
def test_a_store_that_dies_in_its_second_pair_is_named(tmp_path: Path, cache: Path) -> None:
    words = gate(tmp_path, "mortal", *with_profile(tmp_path))
    target = tmp_path / "embedded.toml"
    target.write_text(target.read_text().replace('"--die-after", "700"', '"--die-after", "500"'))
    done = perfgate(words, cache)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "the candidate store (mortal) ended" in " ".join((done.stdout + done.stderr).split())
