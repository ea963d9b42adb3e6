from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from builders import arm_interval, comparison, effect, gate, record
from hypothesis import given
from hypothesis import strategies as st

from perfgate.cli.main import main
from perfgate.errors import InputError, MeasurementError
from perfgate.gate.comparison import Comparison
from perfgate.gate.comparison_json import comparison_from_json, comparison_to_json
from perfgate.gate.effect import Effect, Finding
from perfgate.gate.policy import Policy
from perfgate.gate.verdict import Reason, Verdict, Word
from perfgate.interval_log import IntervalWriter
from perfgate.operation import Operation
from perfgate.report.directory import read_result, write_result

SCHEMA = Path(__file__).parent.parent / "docs" / "result.schema.json"
NUMBER = st.floats(allow_nan=False)
MAYBE = st.none() | NUMBER
EFFECTS = st.builds(
    Effect,
    statistic=st.sampled_from(["p50", "p95", "p99", "errors", "recall"]),
    operation=st.none() | st.sampled_from(Operation),
    primary=st.booleans(),
    finding=st.sampled_from(Finding),
    estimate=NUMBER, se=NUMBER, df=st.integers(0, 100), lower=MAYBE, upper=MAYBE, pass_upper=MAYBE, p_nominal=MAYBE,
    p_adjusted=MAYBE, margin=NUMBER, detectable_80=MAYBE, detectable_99=MAYBE,
    per_pair=st.lists(NUMBER, max_size=3).map(tuple),
    base_ns=NUMBER, candidate_ns=NUMBER, pooled_ratio=MAYBE, base_share=MAYBE, candidate_share=MAYBE, lag1=MAYBE,
    order_effect=MAYBE, note=st.sampled_from(["", "inf", "two groups"]),
)  # fmt: skip
COMPARISONS = st.builds(
    Comparison,
    policy=st.builds(Policy, margin=st.floats(0, 1), looks=st.lists(st.integers(1, 99), min_size=1).map(tuple)),
    pairs=st.integers(0, 99),
    look=st.integers(0, 9),
    final=st.booleans(),
    effects=st.lists(EFFECTS, max_size=2).map(tuple),
    verdict=st.builds(
        Verdict,
        word=st.sampled_from(Word),
        reasons=st.lists(st.builds(Reason, *(st.text(max_size=4) for _ in range(4))), max_size=2).map(tuple),
        competitive=st.booleans(),
    ),
    variance=st.lists(st.tuples(st.text(max_size=4), NUMBER), max_size=2).map(tuple),
    notes=st.lists(st.text(max_size=4), max_size=2).map(tuple),
)


@given(COMPARISONS)
def test_a_comparison_survives_json_exactly(one: Comparison) -> None:
    assert comparison_from_json(json.loads(json.dumps(comparison_to_json(one), allow_nan=False))) == one


def test_not_a_number_survives_json() -> None:
    one = comparison(Word.PASS, effects=(effect("p99", None, se=math.nan),))
    assert math.isnan(comparison_from_json(comparison_to_json(one)).effects[0].se)


@pytest.mark.parametrize("missing", ["policy", "pairs", "effects", "verdict", "notes"])
def test_a_comparison_without_a_field_is_refused_by_its_name(missing: str) -> None:
    data = comparison_to_json(comparison(Word.PASS))
    del data[missing]
    with pytest.raises(InputError, match=rf"{missing}.*restore it, or run again"):
        comparison_from_json(data)


@pytest.mark.parametrize("word", Word)
def test_a_gate_survives_its_directory_exactly(word: Word, tmp_path: Path) -> None:
    write_result(tmp_path, *gate(word))
    assert read_result(tmp_path) == gate(word)


def test_a_run_survives_its_directory_exactly(tmp_path: Path) -> None:
    write_result(tmp_path, record("run"), None)
    assert read_result(tmp_path) == (record("run"), None)


def test_a_gate_leaves_four_files_and_nothing_half_written(tmp_path: Path) -> None:
    write_result(tmp_path, *gate(Word.BLOCK))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["junit.xml", "report.md", "result.json", "verdict.txt"]


def test_the_verdict_file_is_one_line_that_begins_with_the_word(tmp_path: Path) -> None:
    write_result(tmp_path, *gate(Word.INVALID))
    text = (tmp_path / "verdict.txt").read_text()
    assert text.startswith("INVALID ")
    assert text.count("\n") == 1
    assert "late by 3.1 ms" in text


def test_a_directory_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"report\.md.*--out"):
        write_result(tmp_path / "gone", *gate(Word.PASS))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "damaged .*restore it"),
        ("[]", "no result of perfgate; give the directory"),
        ('{"verdict": "PASS"}', "no result of perfgate; give the directory"),
        ('{"schema_version": 2, "record": {}}', r"schema_version 2 cannot be read .*reads 1\); use the perfgate"),
        ('{"schema_version": 1, "record": {}}', "not a record of perfgate"),
    ],
)
def test_what_is_no_result_is_refused_with_file_and_remedy(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(InputError, match=rf"result\.json: .*{says}"):
        read_result(tmp_path)


def test_a_missing_directory_is_told_from_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        read_result(tmp_path / "gone")
    with pytest.raises(InputError, match=r"holds no result\.json"):
        read_result(tmp_path)


def test_a_killed_run_says_what_it_has_kept(tmp_path: Path) -> None:
    with IntervalWriter(tmp_path / "intervals.jsonl") as log:
        for pair in (0, 0, 1):
            log.append(pair, arm_interval())
    with pytest.raises(InputError, match=r"broken off.* 3 intervals kept .*3,600 requests in 2 pairs.*run it again"):
        read_result(tmp_path)


def _schema() -> Any:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize("word", Word)
def test_a_result_is_as_its_schema_says(word: Word, tmp_path: Path) -> None:
    write_result(tmp_path, *gate(word))
    jsonschema.validate(json.loads((tmp_path / "result.json").read_text()), _schema())


def test_the_schema_knows_every_field_of_a_result(tmp_path: Path) -> None:
    schema = _schema()["$defs"]
    one, other = gate(Word.BLOCK)
    write_result(tmp_path, one, other)
    data = json.loads((tmp_path / "result.json").read_text())
    assert set(schema["record"]["properties"]) == set(data["record"])
    assert set(schema["comparison"]["properties"]) == set(data["comparison"])
    assert set(schema["effect"]["properties"]) == set(data["comparison"]["effects"][0])


def test_a_changed_result_is_not_as_its_schema_says(tmp_path: Path) -> None:
    write_result(tmp_path, *gate(Word.BLOCK))
    data = json.loads((tmp_path / "result.json").read_text())
    data["comparison"]["verdict"]["word"] = "MAYBE"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, _schema())


@pytest.mark.parametrize(("word", "code"), [(Word.PASS, 0), (Word.BLOCK, 1), (Word.INVALID, 3), (Word.INCONCLUSIVE, 4)])
def test_report_ends_as_the_gate_did_only_when_asked(
    word: Word, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(tmp_path, *gate(word))
    assert main(["report", str(tmp_path)]) == 0
    assert word.value in capsys.readouterr().out
    assert main(["report", str(tmp_path), "--exit-code"]) == code


def test_report_ends_with_2_for_a_competitive_block(tmp_path: Path) -> None:
    one, other = gate(Word.BLOCK)
    verdict = dataclasses.replace(other.verdict, competitive=True)
    write_result(tmp_path, one, dataclasses.replace(other, verdict=verdict))
    assert main(["report", str(tmp_path), "--exit-code"]) == 2


def test_report_of_a_run_ends_with_3_when_it_was_broken_off(tmp_path: Path) -> None:
    write_result(tmp_path, record("run", complete=False), None)
    assert main(["report", str(tmp_path), "--exit-code"]) == 3


def test_report_gives_the_json_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_result(tmp_path, *gate(Word.PASS))
    assert main(["report", str(tmp_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "result.json").read_text())


def test_report_gives_the_markdown_that_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_result(tmp_path, *gate(Word.PASS))
    assert main(["report", str(tmp_path), "--format", "markdown"]) == 0
    assert capsys.readouterr().out == (tmp_path / "report.md").read_text()


def test_report_of_no_result_ends_with_3_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 3
    assert capsys.readouterr().err.count("\n") == 1
