"""Claims about what is kept of gates, and what it proves."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perfgate.cli.main import main
from perfgate.errors import InputError
from perfgate.evidence.certificate import certify
from perfgate.evidence.evidence_file import append, find_file, read
from perfgate.evidence.gate_line import GateLine, from_json, policy_digest, same_build, to_json
from perfgate.gate import rule
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Word
from perfgate.stats.shares import clopper_pearson, trials_needed
from perfgate.targets.load import load_target

EMBEDDED = Path(__file__).parent.parent / "targets" / "embedded.toml"


def line(verdict: Word = Word.PASS, **changes: object) -> GateLine:
    whole = GateLine(
        at="2026-11-26T10:00:00+00:00", perfgate="0.1.0", host_name="ci-7", host={"cpu": "EPYC", "cores": "2"},
        target="embedded", base="default", candidate="default", aa=True, scenario="CI Quick Check",
        scenario_digest="0123456789abcdef", policy="quick", policy_digest="89abcdef", seed=3, verdict=verdict,
        reason="no_regression", pairs=8, seconds=66.5, effects={"store p95": (0.01, 0.004)},
    )  # fmt: skip
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def written(path: Path, *lines: GateLine) -> Path:
    for one in lines:
        append(path, one)
    return path


def certified(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = main(["certify", "--evidence", str(path), *options])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


@pytest.mark.parametrize(("alarms", "gates"), [(0, 149), (1, 236), (2, 313)])
def test_two_percent_takes_149_clean_verdicts_236_with_an_alarm_and_313_with_two(alarms: int, gates: int) -> None:
    assert trials_needed(alarms, 0.02) == gates
    words = [Word.BLOCK] * alarms + [Word.PASS] * (gates - alarms)
    assert certify(map(line, words), 0.02, 0.95)[0].proven
    almost = certify(map(line, words[:-1]), 0.02, 0.95)[0]
    assert (almost.proven, almost.more) == (False, 1)


@settings(max_examples=50)
@given(st.integers(0, 40), st.floats(0.001, 0.6), st.floats(0.5, 0.999))
def test_the_trials_needed_are_the_fewest_that_prove_it(events: int, share: float, confidence: float) -> None:
    needed = trials_needed(events, share, confidence)
    assert clopper_pearson(events, needed, confidence)[1] <= share
    assert needed == events + 1 or clopper_pearson(events, needed - 1, confidence)[1] > share
    # The bound and the binomial test are one: so few events are as rare as 1 - confidence if the share is true.
    assert stats.binom.cdf(events, needed, share) <= (1 - confidence) * (1 + 1e-9)


@pytest.mark.parametrize(("events", "share", "confidence"), [(-1, 0.02, 0.95), (0, 0.0, 0.95), (0, 0.02, 1.0)])
def test_what_cannot_be_proven_is_refused(events: int, share: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        trials_needed(events, share, confidence)


def test_only_gates_of_a_build_with_itself_that_reached_a_verdict_are_counted() -> None:
    lines = [line(), line(Word.INCONCLUSIVE), line(Word.INVALID), line(Word.BLOCK), line(Word.BLOCK, aa=False)]
    (found,) = certify(lines, 0.02, 0.95)
    assert (found.gates, found.alarms, found.undecided, found.invalid) == (3, 1, 1, 1)
    assert found.upper == pytest.approx(stats.beta.ppf(0.95, 2, 2))


def test_with_nothing_but_invalid_gates_nothing_is_known() -> None:
    (found,) = certify([line(Word.INVALID)], 0.02, 0.95)
    assert (found.gates, found.upper, found.more) == (0, 1.0, 149)


@pytest.mark.parametrize(
    "other",
    [
        {"host": {"cpu": "EPYC", "cores": "4"}},
        {"target": "another"},
        {"scenario_digest": "f" * 16},
        {"policy": "standard"},
        {"policy_digest": "f" * 8},
    ],
)
def test_verdicts_under_other_conditions_are_not_counted_together(other: dict[str, object]) -> None:
    assert [one.gates for one in certify([line(), line(), line(**other)], 0.02, 0.95)] == [2, 1]


def test_a_host_with_another_name_is_the_same_host() -> None:
    assert len(certify([line(), line(host_name="ci-8")], 0.02, 0.95)) == 1


def test_another_margin_is_another_policy() -> None:
    assert policy_digest(Policy()) == policy_digest(Policy())
    assert policy_digest(Policy()) != policy_digest(Policy(margin=0.06))


def test_verdicts_of_another_rule_are_not_counted_with_this_one_s(monkeypatch: pytest.MonkeyPatch) -> None:
    now = policy_digest(Policy())
    monkeypatch.setattr(rule, "RULE", rule.RULE + 1)
    assert policy_digest(Policy()) != now


def test_variants_are_the_same_build_when_they_start_the_same() -> None:
    target = load_target(EMBEDDED)
    twin = dataclasses.replace(target, variants={**target.variants, "twin": target.variants["default"]})
    assert same_build(twin, "default", "twin")
    assert not same_build(twin, "default", "slow_search")
    assert not same_build(dataclasses.replace(twin, artifacts={"twin": "/builds/1"}), "default", "twin")


@given(st.dictionaries(st.text(max_size=9), st.tuples(st.floats(-9, 9), st.floats(0, 9)), max_size=3), st.text())
def test_a_line_survives_its_file(effects: dict[str, tuple[float, float]], name: str) -> None:
    one = line(effects=effects, scenario=name)
    assert from_json(json.loads(json.dumps(to_json(one)))) == one


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    lines = [line(seed=seed) for seed in range(4)]
    assert read(written(tmp_path / "new" / "evidence.jsonl", *lines)).lines == tuple(lines)


@pytest.mark.parametrize("left", [1, 40, -2])
def test_what_a_crash_left_of_a_line_costs_that_line_alone(tmp_path: Path, left: int) -> None:
    path = written(tmp_path / "evidence.jsonl", line(seed=1))
    torn = json.dumps(to_json(line(seed=2)))[:left]
    with path.open("a") as file:
        file.write(torn)
    written(path, line(seed=3))
    found = read(path)
    assert [one.seed for one in found.lines] == [1, 3]
    assert found.damaged == (2,)


@pytest.mark.parametrize(
    "change",
    [
        {"target": ["embedded"]},
        {"scenario": None},
        {"host_name": 7},
        {"policy_digest": {}},
        {"pairs": "8"},
        {"pairs": True},
        {"seconds": None},
        {"aa": 1},
        {"verdict": "MAYBE"},
        {"host": ["EPYC"]},
        {"effects": {"store p95": 0.01}},
        {"version": "1"},
        {"version": 0},
        {"version": True},
    ],
)
def test_a_line_with_a_field_of_another_type_is_damaged_and_costs_that_line_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object]
) -> None:
    path = written(tmp_path / "evidence.jsonl", line(seed=1))
    with path.open("a") as file:
        file.write(json.dumps({**to_json(line(seed=2)), **change}) + "\n")
    written(path, line(seed=3))
    code, text = certified(path, capsys)
    assert code == 4
    assert "2 verdicts: 0 BLOCK" in text
    assert "1 damaged lines were passed over (the first: 2)" in text


def test_a_line_nested_without_end_is_damaged(tmp_path: Path) -> None:
    path = written(tmp_path / "evidence.jsonl", line(seed=1))
    with path.open("ab") as file:
        file.write(b"[" * 200_000 + b"\n")
    assert read(path).damaged == (2,)


def test_a_file_that_was_joined_to_itself_proves_no_more_than_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "evidence.jsonl", *(line(seed=seed) for seed in range(100)))
    path.write_bytes(path.read_bytes() * 2)
    code, text = certified(path, capsys, "--claim", "0.02")
    assert code == 4
    assert "100 verdicts: 0 BLOCK" in text
    assert "49 more clean verdicts prove 2 %" in text
    assert "100 repeated lines were counted once (the first: 101, 102, 103, 104, 105)" in text
    assert json.loads(certified(path, capsys, "--json")[1])["repeated_lines"] == list(range(101, 201))


def test_alarms_that_measured_nothing_are_never_taken_for_one(tmp_path: Path) -> None:
    alarm = line(Word.BLOCK, effects={}, reason="throughput", pairs=1)
    assert len(read(written(tmp_path / "evidence.jsonl", alarm, alarm)).lines) == 2


def test_a_line_that_was_written_whole_but_for_its_end_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "evidence.jsonl", line(seed=1))
    path.write_bytes(path.read_bytes()[:-1])
    assert [one.seed for one in read(written(path, line(seed=2))).lines] == [1, 2]


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_evidence import line
from perfgate.evidence.evidence_file import append
for number in range(40):
    append(Path(sys.argv[2]), line(seed=1000 * int(sys.argv[3]) + number, scenario="x" * 9000))
"""


def test_concurrent_writers_lose_and_mix_nothing(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    here = str(Path(__file__).parent)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, here, str(path), str(number)]) for number in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    found = read(path)
    assert not found.damaged
    seeds = [one.seed for one in found.lines]
    assert sorted(seeds) == [1000 * writer + number for writer in range(4) for number in range(40)]
    for writer in range(4):
        own = [seed for seed in seeds if seed // 1000 == writer]
        assert own == sorted(own)


def test_a_file_of_something_else_and_one_of_a_newer_perfgate_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    path.write_text("dear diary\n")
    with pytest.raises(InputError, match="no line of it is evidence"):
        read(path)
    path.write_text('{"version": 99}\n')
    with pytest.raises(InputError, match="version 99"):
        read(path)
    with pytest.raises(InputError, match="give the file that gates wrote"):
        read(tmp_path / "nowhere")


def test_the_file_is_the_option_s_else_the_variable_s_else_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PERFGATE_EVIDENCE", raising=False)
    assert str(find_file(None)) == ".perfgate/evidence.jsonl"
    monkeypatch.setenv("PERFGATE_EVIDENCE", "other.jsonl")
    assert str(find_file(None)) == "other.jsonl"
    assert str(find_file("mine.jsonl")) == "mine.jsonl"
    assert find_file("off") is None
    with pytest.raises(InputError, match="is a directory"):
        find_file(str(tmp_path))


def test_certify_says_what_is_proven_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "evidence.jsonl", *(line(seed=seed) for seed in range(24)), line(Word.INVALID))
    code, text = certified(path, capsys)
    assert code == 4
    assert "24 verdicts: 0 BLOCK, 0 INCONCLUSIVE; 1 INVALID beside them, not counted" in text
    assert (
        "at most 11.73 % false alarms with 95 % confidence; not proven yet: 125 more clean verdicts prove 2 %" in text
    )
    code, text = certified(path, capsys, "--claim", "0.2")
    assert code == 0
    assert "proven: at most 20 %" in text


def test_certify_chooses_and_speaks_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line(), line(policy="standard"), line(host={"cpu": "other"}, host_name="far")]
    path = written(tmp_path / "evidence.jsonl", *lines)
    for options, gates in (
        ([], [1, 1, 1]),
        (["--policy", "standard"], [1]),
        (["--host", "far"], [1]),
        (["--host", lines[0].host_id[:5]], [1, 1]),
        (["--scenario", "CI Quick Check", "--policy", "quick"], [1, 1]),
        (["--scenario", "0123456789abcdef", "--target", "none"], []),
    ):
        code, text = certified(path, capsys, "--json", *options)
        assert [group["gates"] for group in json.loads(text)["groups"]] == gates
        assert code == 4


@pytest.mark.parametrize(
    "options", [["--claim", "0"], ["--claim", "nan"], ["--confidence", "1"], ["--evidence", "nowhere.jsonl"]]
)
def test_bad_input_is_3(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", *options]) == 3
    assert options[0] in capsys.readouterr().err


def test_where_no_gate_was_kept_yet_certify_says_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERFGATE_EVIDENCE", raising=False)
    assert main(["certify"]) == 4
    assert "149 verdicts without a false alarm prove 2 %" in capsys.readouterr().out
