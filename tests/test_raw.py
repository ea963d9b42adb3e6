"""Every request kept raw: only where asked for, and then all of them as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from perfgate_agent.exchange import Exchange
from perfgate_agent.raw import VARIABLE, read_raw
from perfgate_agent.recorder import Bucket

from perfgate.errors import InputError
from perfgate.outcome import Outcome
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.adapter import GOOD, Judgement

S = 1_000_000_000
ORIGIN = 50 * S
SEGMENT = Segment(7, Arm.CANDIDATE, SegmentKind.MEASURED, 2, 0, S, 10 * S)


def ended(to: Bucket, index: int, at: int, sent: int, done: int) -> Exchange:
    """Times from ORIGIN, all of the run's clock; a wait of 5 ns for a connection."""
    exchange = Exchange(ORIGIN + at, 1, index, 0, False, to, b"")
    exchange.sent_ns, exchange.done_ns, exchange.wait_ns = ORIGIN + sent, ORIGIN + done, 5
    to.due += 1
    return exchange


def emit(bucket: Bucket, worker: str = "local-1/1") -> None:
    bucket.closed = True
    assert list(bucket.distil(worker))[-1] is not None


def test_nothing_is_kept_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    bucket = Bucket(SEGMENT, 10 * S, 11 * S, ORIGIN)
    assert bucket.raw is None
    monkeypatch.chdir(tmp_path)
    bucket.answered(ended(bucket, 1, 10 * S, 10 * S + 9, 11 * S), GOOD)
    emit(bucket)
    assert list(tmp_path.iterdir()) == []


def test_each_request_is_kept_once_with_times_outcome_and_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "raw"))
    for worker in ("local-1/1", "local-1/2"):
        bucket = Bucket(SEGMENT, 10 * S, 11 * S, ORIGIN)
        bucket.answered(ended(bucket, 4, 10 * S + 30, 10 * S + 40, 10 * S + 90), GOOD)
        bucket.answered(ended(bucket, 5, 10 * S + 20, 10 * S + 25, 10 * S + 99), Judgement(Outcome.WRONG_ANSWER))
        bucket.failed(ended(bucket, 6, 10 * S + 50, -ORIGIN, -ORIGIN), Outcome.ABANDONED, "")
        many = [np.array(column) + ORIGIN for column in ([10 * S + 60, 10 * S + 70], [10 * S + 61, 10 * S + 71])]
        bucket.due += 2
        bucket.answered_many(1, np.array([7, 8]), *many, np.array([0, 1]), many[1] + 100, np.array([0, 0]))
        emit(bucket, worker)
    rows = read_raw(tmp_path / "raw")
    assert len(rows) == 10
    assert [path.name.rpartition("-")[0] for path in sorted((tmp_path / "raw").iterdir())] == ["local-1-1", "local-1-2"]
    mine = rows[::2]
    assert mine["index"].tolist() == [5, 4, 6, 7, 8]  # by due time
    assert mine["outcome"].tolist() == [Outcome.WRONG_ANSWER, 0, Outcome.ABANDONED, 0, 0]
    assert (mine["at_ns"] - 10 * S).tolist() == [20, 30, 50, 60, 70]
    assert mine["sent_ns"].tolist()[2] == mine["done_ns"].tolist()[2] == 0
    assert (mine["done_ns"] - mine["at_ns"]).tolist()[1] == 60
    assert mine["wait_ns"].tolist() == [5, 5, 5, 0, 1]
    for name, value in (
        ("run_ns", ORIGIN),
        ("segment", 7),
        ("couple", 2),
        ("measured", 1),
        ("arm", 1),
        ("operation", 1),
    ):
        assert set(rows[name].tolist()) == {value}


def test_a_directory_that_cannot_be_written_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    bucket = Bucket(SEGMENT, 10 * S, 11 * S, ORIGIN)
    bucket.answered(ended(bucket, 1, 10 * S, 10 * S + 9, 11 * S), GOOD)
    with pytest.raises(InputError, match=f"{VARIABLE}.*name a directory"):
        emit(bucket)


def test_a_directory_without_raw_requests_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=VARIABLE):
        read_raw(tmp_path)
