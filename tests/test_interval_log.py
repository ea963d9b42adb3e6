from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interval_values import INTERVALS, OPERATION_INTERVALS, interval

from perfgate.errors import InputError
from perfgate.interval import Interval, OperationInterval
from perfgate.interval_json import interval_from_json, interval_to_json, operation_from_json, operation_to_json
from perfgate.interval_log import VERSION, IntervalWriter, read_intervals


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "intervals.jsonl"


def write(path: Path, entries: list[tuple[int, Interval]]) -> None:
    with IntervalWriter(path) as log:
        for pair, part in entries:
            log.append(pair, part)


def through_json(value: object) -> object:
    return json.loads(json.dumps(value))


@given(INTERVALS)
def test_an_interval_survives_json_exactly(part: Interval) -> None:
    assert interval_from_json(through_json(interval_to_json(part))) == part


@given(OPERATION_INTERVALS)
def test_an_operation_survives_json_exactly(part: OperationInterval) -> None:
    assert operation_from_json(through_json(operation_to_json(part))) == part


def test_an_outcome_of_a_newer_version_is_refused_rather_than_lost() -> None:
    data = operation_to_json(OperationInterval.empty())
    with pytest.raises(ValueError, match="misrouted"):
        operation_from_json({**data, "outcomes": {"ok": 1, "misrouted": 1}})


@given(entries=st.lists(st.tuples(st.integers(0, 40), INTERVALS), max_size=4))
def test_a_log_gives_back_what_was_appended_in_order(
    entries: list[tuple[int, Interval]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("run") / "intervals.jsonl"
    write(path, entries)
    log = read_intervals(path)
    assert list(log) == log.intervals == entries
    assert not log.truncated


def test_an_interval_is_in_the_file_before_the_writer_is_closed(path: Path) -> None:
    with IntervalWriter(path) as log:
        log.append(7, interval(5))
        assert list(read_intervals(path)) == [(7, interval(5))]
        assert log.count == 1


def test_a_log_cut_anywhere_in_its_last_line_gives_the_others_and_says_so(path: Path) -> None:
    write(path, [(0, interval(1)), (0, interval(2, examples=("ä \n 500",)))])
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for length in range(last + 1, len(whole)):
        path.write_bytes(whole[:length])
        log = read_intervals(path)
        assert list(log) == [(0, interval(1))]
        assert log.truncated


def test_a_log_that_ends_with_a_whole_line_is_not_truncated(path: Path) -> None:
    write(path, [])
    assert list(read_intervals(path)) == []
    assert not read_intervals(path).truncated


def test_an_existing_log_is_never_overwritten(path: Path) -> None:
    write(path, [(0, interval(1))])
    with pytest.raises(InputError, match=r"intervals\.jsonl: File exists; give a directory"):
        IntervalWriter(path)
    assert len(read_intervals(path)) == 1


def test_the_first_line_names_kind_and_version(path: Path) -> None:
    write(path, [(0, interval(1))])
    assert json.loads(path.read_text().splitlines()[0]) == {"kind": "perfgate intervals", "version": VERSION}


def test_a_newer_log_is_refused_with_both_versions_and_the_remedy(path: Path) -> None:
    path.write_text(json.dumps({"kind": "perfgate intervals", "version": VERSION + 1}) + "\n")
    with pytest.raises(
        InputError, match=rf"intervals\.jsonl:1: version {VERSION + 1} .* reads {VERSION}\); use the perf"
    ):
        read_intervals(path)


@pytest.mark.parametrize(
    "head", ["", "garbage\n", "[]\n", "3\n", '{"kind": "other", "version": 1}\n', '{"kind": "perfg']
)
def test_a_file_that_is_no_log_is_refused(path: Path, head: str) -> None:
    path.write_text(head)
    with pytest.raises(InputError, match=r"intervals\.jsonl:1: is not an interval log"):
        read_intervals(path)


def without(*keys: str) -> dict[str, object]:
    return {key: value for key, value in {"pair": 0, **interval_to_json(interval(1))}.items() if key not in keys}


@pytest.mark.parametrize(
    "line",
    [
        "garbage",
        "[]",
        "7",
        json.dumps(without("pair")),
        json.dumps(without("lag")),
        json.dumps({**without(), "operations": []}),
        json.dumps({**without(), "operations": {"fly": {}}}),
        json.dumps({**without(), "wait": {"hdr": "AAAA", "overflow": 0, "min_ns": 0, "max_ns": 0}}),
    ],
)
def test_a_damaged_line_is_refused_with_its_number_and_the_remedy(path: Path, line: str) -> None:
    write(path, [(0, interval(1))])
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"intervals\.jsonl:3: not an interval .*restore it, or delete this line"):
        read_intervals(path)


def test_bytes_that_are_no_text_are_refused_like_any_damage(path: Path) -> None:
    write(path, [])
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    with pytest.raises(InputError, match=r"intervals\.jsonl:2: not an interval"):
        read_intervals(path)


def test_a_missing_log_is_refused_with_its_path(path: Path) -> None:
    with pytest.raises(InputError, match=r"intervals\.jsonl: No such file or directory; give the directory of a run"):
        read_intervals(path)
