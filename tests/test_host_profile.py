"""Claims about host profiles as files: exact, refused where they do not fit, and what gates and plans take from them."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from perfgate_controller.calibration_state import State, make_terms, read_earlier, read_state, write_state

from perfgate.calibration.choose import choose_profile, fix_trim
from perfgate.calibration.digest import noise_digest
from perfgate.calibration.profile import Component, FalseAlarm, HostProfile, Prediction, Recommended
from perfgate.calibration.profile_file import default_path, misfit, read_profile, write_profile
from perfgate.calibration.profile_json import profile_from_json, profile_to_json
from perfgate.errors import InputError
from perfgate.gate.policy_load import QUICK
from perfgate.operation import Operation
from perfgate.scenario import parse_scenario
from perfgate.scenario.model import Scenario

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOST = {"cpu": "A", "cores": "2", "kernel": "Linux 6.1"}
ENVIRONMENT = {**HOST, "load": "0.10 0.20 0.30", "python": "3.12"}


def scenario(**changes: Any) -> Scenario:
    document: dict[str, Any] = {
        "name": "Small One",
        "duration": {"total_seconds": 30},
        "arrival": {"pattern": "constant", "rate": 1000},
        "operations": {"store_weight": 1, "recall_weight": 1, "embedding_search_weight": 1},
        "data": {"num_nodes": 1000, "embedding_dim": 8},
        "gate": {"policy": "quick"},
    }
    return parse_scenario({**document, **changes})


def profile(**changes: Any) -> HostProfile:
    made = HostProfile(
        host=HOST, target="embedded", variant="default", scenario="Small One", scenario_digest=noise_digest(scenario()),
        policy="quick", slice_ns=250_000_000, measured_ns=QUICK.measured_ns, group_requests=QUICK.group_requests, pairs=24,
        starts=48, pair_ns=8_000_000_000, made_at=NOW - timedelta(days=3), expires_at=NOW + timedelta(days=27),
        components=(
            Component(Operation.STORE, "p95", 0.01, 12.5, 0.02, 0.003, 0.012, 0.021, 0.016, 0.03, 0.02, 0.022, False),
        ),
        false_alarm=FalseAlarm(0.0, 0.0, 0.0015, 2000),
        predictions=(Prediction(None, 0.0, 0.0, 0.99, 0.01, 8.2, 2000), Prediction(Operation.STORE, 0.1, 0, 1, 0, 9, 500)),
        recommended=Recommended("alternation", 250.0, 12, 0.25),
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def test_a_profile_is_the_same_after_a_way_through_its_file(tmp_path: Path) -> None:
    for one in (profile(), profile(leak=0.04)):
        path = tmp_path / "deep" / "p.json"
        write_profile(path, one)
        assert read_profile(path) == one


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "x"}, "is no host profile"),
        ({"version": 99}, "version 99"),
        ({"pairs": "many"}, "pairs = 'many' must be a whole number"),
        ({"made_at": "yesterday"}, "made_at = 'yesterday' must be a time"),
        ({"made_at": "2026-11-26T12:00:00"}, "made_at"),
        ({"host": {"cpu": 3}}, "host.cpu = 3 must be text"),
        ({"components": [{}]}, "components[0].operation is missing"),
        ({"components": {}}, "components must be a list"),
        ({"false_alarm": None}, "false_alarm must be a table"),
        ({"recommended": {"mode": "x", "slice_ms": True, "pairs": 1, "trim": 0.1}}, "recommended.slice_ms = True"),
    ],
)
def test_a_damaged_profile_is_refused_with_file_field_and_remedy(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as refused:
        profile_from_json({**profile_to_json(profile()), **change}, "p.json")
    assert str(refused.value).startswith("p.json: ")
    assert words in str(refused.value)
    assert "perfgate calibrate" in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('"leak_upper": 0.08', '"leak_upper": NaN', "leak_upper = nan must be a number"),
        ('"trim": 0.25', '"trim": NaN', "recommended.trim = nan must be a number"),
        ('"trim": 0.25', '"trim": 0.5', "recommended.trim = 0.5 must be at least 0 and below 0.5"),
        ('"trim": 0.25', '"trim": -0.1', "recommended.trim = -0.1"),
        ('"trimmed_sd": 0.022', '"trimmed_sd": Infinity', "components[0].trimmed_sd = inf must be a number"),
        ('"trimmed_sd": 0.022', '"trimmed_sd": -0.022', "components[0].trimmed_sd = -0.022 must not be negative"),
        ('"restart_sd": 0.01', '"restart_sd": 1' + 400 * "0", "components[0].restart_sd"),
        ('"pair_ns": 8000000000', '"pair_ns": 0', "pair_ns = 0 must be above 0"),
    ],
)
def test_figures_that_no_calibration_writes_are_refused_before_a_gate_decides_by_them(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    text = json.dumps(profile_to_json(profile(leak=0.04, leak_upper=0.08)))
    assert before in text
    (tmp_path / "p.json").write_text(text.replace(before, after))
    with pytest.raises(InputError) as refused:
        read_profile(tmp_path / "p.json")
    assert words in str(refused.value)
    assert "restore it, or run perfgate calibrate again" in str(refused.value)


def test_what_is_no_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such profile"):
        read_profile(tmp_path / "none.json")
    (tmp_path / "torn.json").write_text('{"kind": ')
    with pytest.raises(InputError, match="damaged"):
        read_profile(tmp_path / "torn.json")


@pytest.mark.parametrize(
    ("one", "target", "about", "words"),
    [
        (profile(), "embedded", scenario(), ""),
        (profile(), "engram", scenario(), "target 'embedded'"),
        (profile(), "embedded", scenario(data={"num_nodes": 2000, "embedding_dim": 8}), "another scenario"),
        (
            profile(host={**HOST, "kernel": "Linux 6.2"}),
            "embedded",
            scenario(),
            "kernel Linux 6.2 there, Linux 6.1 here",
        ),
        (profile(expires_at=NOW), "embedded", scenario(), "expired on 2026-11-26"),
    ],
)
def test_a_profile_fits_one_host_target_and_scenario_until_it_expires(
    one: HostProfile, target: str, about: Scenario, words: str
) -> None:
    found = misfit(one, HOST, target, about, NOW)
    assert words in found
    assert bool(found) == bool(words)


def test_words_limits_and_the_rule_leave_a_profile_valid_and_the_load_does_not() -> None:
    usual = noise_digest(scenario())
    for same in ({"name": "x"}, {"description": "y"}, {"validation": {"max_error_rate": 0.01}}, {"gate": {}},
                 {"duration": {"total_seconds": 60}}):  # fmt: skip
        assert noise_digest(scenario(**same)) == usual
    for other in ({"arrival": {"pattern": "constant", "rate": 999}}, {"operations": {"store_weight": 1}},
                  {"data": {"num_nodes": 1001, "embedding_dim": 8}}):  # fmt: skip
        assert noise_digest(scenario(**other)) != usual


def test_without_a_profile_nothing_is_said_and_the_policy_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    choice = choose_profile(scenario(), "embedded", QUICK, ENVIRONMENT, NOW)
    assert (choice.profile, choice.note) == (None, "")
    assert fix_trim(QUICK, scenario(), None) is QUICK


def test_a_profile_at_its_usual_place_is_used_and_sets_the_trim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_profile(default_path("embedded", scenario(), "quick"), profile())
    choice = choose_profile(scenario(), "embedded", QUICK, ENVIRONMENT, NOW)
    assert choice.profile == profile()
    assert choice.note.startswith("calibrated 3 days ago on this host: 24 pairs")
    assert fix_trim(QUICK, scenario(), choice.profile).trim == 0.25
    own = scenario(gate={"policy": "quick", "trim": 0.2})
    assert fix_trim(QUICK, own, choice.profile) is QUICK


def test_a_profile_that_does_not_fit_is_pointed_out_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = default_path("embedded", scenario(), "quick")
    write_profile(path, profile())
    late = choose_profile(scenario(), "embedded", QUICK, ENVIRONMENT, NOW + timedelta(days=60))
    away = choose_profile(scenario(), "embedded", QUICK, {**ENVIRONMENT, "cpu": "B"}, NOW)
    longer = dataclasses.replace(QUICK, measured_ns=2 * QUICK.measured_ns)
    other = choose_profile(scenario(), "embedded", longer, ENVIRONMENT, NOW)
    for choice, words in ((late, "expired"), (away, "another host"), (other, "measured time")):
        assert choice.profile is None
        assert words in choice.note
        assert "ignored" in choice.note
    path.write_text("{}")
    assert "ignored" in choose_profile(scenario(), "embedded", QUICK, ENVIRONMENT, NOW).note
    with pytest.raises(InputError):
        choose_profile(scenario(), "embedded", QUICK, ENVIRONMENT, NOW, path)


def terms(**changes: Any) -> dict[str, Any]:
    return {**make_terms(scenario(), "embedded", "default", 1, QUICK, 250_000_000, HOST), **changes}


def calibration(directory: Path, state: State) -> Path:
    directory.mkdir()
    (directory / "intervals.jsonl").write_text(json.dumps({"kind": "perfgate intervals", "version": 1}) + "\n")
    write_state(directory, state)
    return directory


def test_a_calibration_goes_on_where_those_that_it_adds_to_stopped(tmp_path: Path) -> None:
    first = calibration(tmp_path / "a", State(terms(), (), 0, 0, 3, (1,), 100, 30))
    second = calibration(tmp_path / "b", State(terms(), (str(first.resolve()),), 3, 100, 2, (), 200, 20))
    earlier = read_earlier([second], terms(), QUICK)
    assert [pair.number for pair in earlier.pairs] == [0, 1, 2, 3, 4]
    assert (earlier.next_number, earlier.plan_at_ns, earlier.measuring_ns) == (5, 200, 50)
    assert not earlier.pairs[1].couples
    assert read_state(second).first == 3


def test_pairs_of_other_terms_are_not_put_together(tmp_path: Path) -> None:
    first = calibration(tmp_path / "a", State(terms(), (), 0, 0, 3, (), 100, 30))
    for name, value in (("seed", 2), ("slice_ns", 1), ("variant", "slow"), ("host", {"cpu": "B"})):
        with pytest.raises(InputError, match=f"another {name}"):
            read_earlier([first], terms(**{name: value}), QUICK)
    again = calibration(tmp_path / "c", State(terms(), (), 0, 0, 3, (), 100, 30))
    with pytest.raises(InputError, match="same pairs"):
        read_earlier([first, again], terms(), QUICK)
    with pytest.raises(InputError, match="--add"):
        read_earlier([tmp_path / "nowhere"], terms(), QUICK)
