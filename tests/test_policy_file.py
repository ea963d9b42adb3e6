"""Claims about policy files and `perfgate policy`."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from cluster import write_scenario, write_target

from perfgate.cli.main import main
from perfgate.errors import InputError
from perfgate.gate.policy import Policy
from perfgate.gate.policy_choice import check_time, choose_policy
from perfgate.gate.policy_load import DUET, QUICK, STANDARD, UNITS, policy_for
from perfgate.gate.policy_table import policy_lines
from perfgate.gate.policy_words import WHY, WHY_DUET, WHY_QUICK
from perfgate.gate.verdict import Verdict, Word
from perfgate.scenario.schema import Gate
from perfgate.units import NS_PER_S

KEYS = {field: key for key, (field, _) in UNITS.items()}


def policy_file(directory: Path, text: str) -> str:
    path = directory / "nightly.toml"
    path.write_text(text)
    return str(path)


def keys_that_differ(one: Policy, other: Policy) -> set[str]:
    names = [field.name for field in dataclasses.fields(Policy) if field.name != "name"]
    return {KEYS.get(name, name) for name in names if getattr(one, name) != getattr(other, name)}


def test_every_value_has_a_reason_and_so_has_every_value_that_quick_or_a_duet_changes() -> None:
    names = {field.name for field in dataclasses.fields(Policy)} - {"name"}
    assert set(WHY) == {KEYS.get(name, name) for name in names}
    assert set(WHY_QUICK) == keys_that_differ(STANDARD, QUICK)
    assert set(WHY_DUET) == {KEYS.get(field, field) for fields in DUET.values() for field in fields}


def test_a_scenario_may_set_every_value_but_those_that_follow_from_it() -> None:
    assert set(WHY) - set(Gate.model_fields) == {"slice_min_requests", "slice_min_p99s", "min_offered", "max_leak"}


def test_a_file_begins_with_what_it_names_and_the_scenario_s_gate_does_not_count(tmp_path: Path) -> None:
    wanted = policy_file(tmp_path, 'policy = "quick"\nmargin = 0.07\nmeasured_seconds = 4\nalpha_block = 0.002\n')
    policy = choose_policy({"policy": "standard", "looks": (4, 6)}, wanted)
    assert policy == dataclasses.replace(QUICK, margin=0.07, measured_ns=4 * NS_PER_S, alpha_block=0.002)
    assert choose_policy({}, wanted, margin=0.2).margin == 0.2


def test_a_table_gate_and_a_whole_scenario_are_read_as_well(tmp_path: Path) -> None:
    assert choose_policy({}, policy_file(tmp_path, "[gate]\nmargin = 0.07\n")).margin == 0.07
    assert choose_policy({}, str(write_scenario(tmp_path))).looks == (2, 3)


def test_names_and_nothing_mean_what_they_meant() -> None:
    assert choose_policy({"margin": 0.03}).margin == 0.03
    assert choose_policy({"margin": 0.03}, "quick") == QUICK


def test_competitive_is_ten_percent_and_blocks_with_2(tmp_path: Path) -> None:
    policy = choose_policy({}, policy_file(tmp_path, "competitive = true\n"))
    assert (policy.margin, policy.competitive) == (0.10, True)
    assert Verdict(Word.BLOCK, (), policy.competitive).exit_code == 2


@pytest.mark.parametrize(
    ("text", "where", "remedy"),
    [
        ("margin = -0.05", "nightly.toml:1: margin = -0.05", "greater than 0"),
        ("\nalpha_block = 0.0", "nightly.toml:2: alpha_block", "greater than 0"),
        ("marign = 0.1", "marign", "did you mean margin"),
        ('policy = "strict"', "policy", "standard"),
        ("looks = [12, 8]", "looks", "ascending"),
        ("looks = [4, 8]\nmin_pairs = 12", "looks = [4, 8] end before min_pairs = 12", "let them go on to 12"),
        ("pass_from = 40", "end before pass_from = 40", "let them go on to 40"),
        ("trim = 0.49\nlooks = [12]", "trim = 0.49 leaves fewer than 3", "trim at most"),
        ("slice_ms = 500\nmeasured_seconds = 0.4", "measured_seconds = 0.4", "at least one slice"),
        ("margin = ", "nightly.toml", "not valid TOML"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_with_its_file_and_the_remedy(
    text: str, where: str, remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", policy_file(tmp_path, text)]) == 3
    shown = capsys.readouterr().err
    assert "nightly.toml" in shown
    assert where in shown
    assert remedy in shown


@pytest.mark.parametrize("name", ["strict", "nowhere.toml"])
def test_a_policy_that_is_not_there_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", name]) == 3
    assert name in capsys.readouterr().err


def test_looks_beyond_the_pairs_that_the_time_limit_allows_are_refused() -> None:
    with pytest.raises(InputError, match=r"holds 15 pairs of 20 s, but no PASS can be given before 20 pairs"):
        check_time(STANDARD, 300 * NS_PER_S)
    check_time(STANDARD, 400 * NS_PER_S)
    check_time(QUICK, 48 * NS_PER_S)
    check_time(policy_for({}, mode="duet"), 400 * NS_PER_S)
    check_time(STANDARD, None)


def test_a_gate_refuses_such_a_time_limit_before_it_starts_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario, target = write_scenario(tmp_path), write_target(tmp_path)
    words = ["gate", str(scenario), "--target", str(target), "--base", "default", "--candidate", "default"]
    out = tmp_path / "out"
    assert main([*words, "--policy", "standard", "--time-limit", "2m", "--out", str(out), "--evidence", "off"]) == 3
    assert "--time-limit 2 min holds 6 pairs" in capsys.readouterr().err
    assert not (out / "intervals.jsonl").exists()


def test_each_value_says_where_it_comes_from() -> None:
    settings = {"policy": "quick", "looks": (6, 12), "margin": 0.07}
    lines = {line.key: line for line in policy_lines(settings, None, "[gate]")}
    assert (lines["margin"].value, lines["margin"].origin) == (0.07, "[gate]")
    assert lines["margin"].why.startswith("instead of 0.1 (what so short")
    assert (lines["min_pairs"].value, lines["min_pairs"].origin) == (6, "follows")
    assert (lines["measured_seconds"].value, lines["measured_seconds"].origin) == (2.5, "quick")
    assert lines["trim"].origin == "standard"
    duet = {line.key: line.origin for line in policy_lines({"mode": "duet"}, None, "here")}
    assert (duet["mode"], duet["looks"], duet["measured_seconds"]) == ("here", "duet", "duet")


def test_what_is_shown_of_a_policy_makes_the_same_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "quick"]) == 0
    rows = re.findall(r"^(\w+ = .*?)  ", capsys.readouterr().out, re.MULTILINE)
    settable = [row for row in rows if row.split(" = ")[0] in Gate.model_fields]
    assert len(rows) == len(WHY)
    assert choose_policy({}, policy_file(tmp_path, 'policy = "quick"\n' + "\n".join(settable))) == QUICK


def test_json_has_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    assert {line["key"] for line in lines} == set(WHY)
    assert all(line["why"] for line in lines)


def test_a_simulation_goes_by_a_policy_file_as_a_gate_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = policy_file(tmp_path, 'policy = "quick"\nmargin = 0.5\n')
    asked = ["simulate", "--profile", "quiet", "--truth", "one20", "--runs", "10", "--policy"]
    assert main([*asked, "quick"]) == 0
    assert "100 / 0 / 0" in capsys.readouterr().out
    assert main([*asked, wide]) == 0
    told = capsys.readouterr().out
    assert "margin 50 %" in told
    assert "100 / 0 / 0" not in told
