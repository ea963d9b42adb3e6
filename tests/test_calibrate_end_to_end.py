"""Claims about `perfgate calibrate` the whole way: real pairs of the built-in store, kept, added to, and used."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from cluster import perfgate, started, wait_for_line, write_scenario, write_target
from perfgate_controller.schedule import schedule_pair

from perfgate.cli.calibrate import _session
from perfgate.cli.main import build_parser

TINY = "measured_seconds = 0.5", "measured_seconds = 0.3"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def calibrate(directory: Path, name: str, *more: str) -> list[str]:
    scenario, target = write_scenario(directory), write_target(directory)
    scenario.write_text(scenario.read_text().replace(*TINY))
    return [
        "calibrate", str(scenario), "--target", str(target), "--out", str(directory / name),
        "--profile", str(directory / "profile.json"), *more,
    ]  # fmt: skip


def test_ctrl_c_keeps_whole_pairs_and_says_how_many_more_are_needed(tmp_path: Path, cache: Path) -> None:
    with started(calibrate(tmp_path, "a"), cache) as process:
        wait_for_line(process, "pair 1 of at most 20")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 4, err
    state = json.loads((tmp_path / "a" / "calibration.json").read_text())
    assert state["done"] >= 1
    text = " ".join(err.split())
    assert f"interrupted; {state['done']} usable pairs are kept, {20 - state['done']} more are needed" in text
    assert f"--pairs 20 --add {tmp_path / 'a'}" in text
    assert not (tmp_path / "profile.json").exists()


@pytest.mark.parametrize(("starts", "pairs", "each"), [(0, 20, 1), (4, 40, 4)])
def test_a_calibration_has_as_many_pairs_a_process_as_the_gates_that_borrow_from_it(
    starts: int, pairs: int, each: int, tmp_path: Path
) -> None:
    """Ten couples of processes are twenty starts, without which no gate borrows."""
    (tmp_path / "few.toml").write_text(f'policy = "quick"\nstarts = {starts}\n')
    words = [*calibrate(tmp_path, "a", "--policy", str(tmp_path / "few.toml")), "--history", "off"]
    session = _session(build_parser("calibrate").parse_args(words))
    assert (session.policy.pairs_a_start, session.wanted) == (each, pairs)
    numbers = [schedule_pair(session.policy, session.slice_ns, 1, number, 0).start for number in range(pairs)]
    assert len(set(numbers) - {None}) == (pairs // each if starts else 0)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--variant", "nope"], "--variant 'nope'"),
        (["--pairs", "0"], "--pairs 0"),
        (["--days", "0"], "--days 0"),
        (["--add", "nowhere"], "--add nowhere"),
    ],
)
def test_bad_input_is_one_message_and_exit_3(more: list[str], message: str, tmp_path: Path, cache: Path) -> None:
    done = perfgate(calibrate(tmp_path, "a", *more), cache)
    assert done.returncode == 3
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow  # two calibrations and a gate
def test_two_calibrations_make_one_profile_that_plan_and_gate_go_by(tmp_path: Path, cache: Path) -> None:
    first = perfgate(calibrate(tmp_path, "a", "--pairs", "4"), cache)
    assert first.returncode == 4, first.stdout + first.stderr
    assert "4 more are needed" in first.stderr
    second = perfgate(calibrate(tmp_path, "b", "--pairs", "8", "--add", str(tmp_path / "a")), cache)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "CALIBRATED" in second.stdout
    assert "4 pairs of the same build" in second.stderr
    profile = json.loads((tmp_path / "profile.json").read_text())
    assert (profile["pairs"], profile["starts"]) == (8, 16)
    again = perfgate(calibrate(tmp_path, "c", "--pairs", "8", "--add", str(tmp_path / "b")), cache)
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads((tmp_path / "profile.json").read_text())["components"] == profile["components"]
    _check_use(tmp_path, cache)


def _check_use(directory: Path, cache: Path) -> None:
    scenario, target, profile = (str(directory / name) for name in ("small.toml", "embedded.toml", "profile.json"))
    planned = perfgate(["plan", scenario, "--profile", profile], cache)
    assert "calibrated today on this host: 8 pairs" in planned.stdout, planned.stdout + planned.stderr
    assert "4 gates in 5 see on this host" in planned.stdout
    gate = ["gate", scenario, "--target", target, "--base", "default", "--candidate", "default"]
    done = perfgate([*gate, "--profile", profile, "--out", str(directory / "gate")], cache)
    assert "calibrated today on this host" in done.stderr
    record = json.loads((directory / "gate" / "result.json").read_text())["record"]
    assert record["environment"]["calibration"].startswith("calibrated today")
