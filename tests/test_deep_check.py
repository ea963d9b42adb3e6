"""Claims about replies that are looked at: each is judged by its own body, however many come at once."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from perfgate_agent import deep_check
from perfgate_agent.deep_check import DeepCheck
from perfgate_agent.engine.records import ENDING
from perfgate_agent.recorder import Bucket
from perfgate_agent.slots import Slots

from perfgate.operation import OPERATIONS, Operation
from perfgate.outcome import Outcome
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.adapter import Judgement

RECALL = OPERATIONS.index(Operation.RECALL)
S = 1_000_000_000


class Echo:
    """The store that answers with the request's index is right."""

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        if body != str(index).encode():
            return Judgement(Outcome.WRONG_ANSWER, example=f"{body!r} to {index}")
        return Judgement(Outcome.OK, found=1, expected=2)


class Kept:
    """Bodies as the engine keeps them: memory of its own for each, which is taken once."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        self.texts = [ctypes.create_string_buffer(text, max(1, len(text))) for text in texts]
        self.taken = 0
        self.most_bytes = 0

    def rows(self, sizes: Sequence[int]) -> NDArray[np.void]:
        rows = np.zeros(len(sizes), dtype=ENDING)
        rows["slot"], rows["status"], rows["body_size"] = np.arange(len(sizes)), 200, sizes
        rows["body"] = [ctypes.addressof(text) if size else 0 for text, size in zip(self.texts, sizes, strict=True)]
        return rows

    def take(self, address: int, count: int, to: int) -> None:
        memory = (ctypes.c_char * (count * ENDING.itemsize)).from_address(address)
        for row in np.frombuffer(memoryview(memory), dtype=ENDING):
            if row["body"]:
                ctypes.memmove(to, int(row["body"]), int(row["body_size"]))
                to += int(row["body_size"])
                self.taken += 1
        self.most_bytes = max(self.most_bytes, int(np.frombuffer(memoryview(memory), dtype=ENDING)["body_size"].sum()))


def checked(texts: Sequence[bytes]) -> tuple[NDArray[np.bool_], Bucket, Kept]:
    """A reply to each of n requests, with index 0 to n - 1."""
    count = len(texts)
    table = SimpleNamespace(
        code=np.full(count, RECALL), index=np.arange(count), key=np.arange(count), checked=np.ones(count, np.bool_),
        bucket=np.zeros(count, np.int64),
    )  # fmt: skip
    bucket = Bucket(Segment(0, Arm.BASE, SegmentKind.MEASURED, -1, 0, S, 0), 0, S, 0)
    kept = Kept(texts)
    rows = kept.rows([len(text) for text in texts])
    adapters = cast(Any, {Arm.BASE: Echo()})
    check = DeepCheck(cast(Slots, table), adapters, {0: bucket}, S, kept.take)
    return check.look_at(rows, rows["slot"]), bucket, kept


@given(wrong=st.lists(st.booleans(), min_size=1, max_size=60))
def test_each_reply_is_judged_by_its_own_body_and_each_body_is_taken_once(wrong: list[bool]) -> None:
    good, bucket, kept = checked([b"" if odd else str(index).encode() for index, odd in enumerate(wrong)])
    assert good.tolist() == [not odd for odd in wrong]
    part = bucket.parts[RECALL]
    right = wrong.count(False)
    assert (part.checked, part.found, part.expected) == (right, right, 2 * right)
    assert part.outcomes[Outcome.WRONG_ANSWER] == wrong.count(True)
    assert kept.taken == right


def test_large_bodies_are_copied_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep_check, "BYTES_AT_ONCE", 100)
    texts = [str(index).encode() for index in range(200)]
    good, _, kept = checked(texts)
    assert good.all()
    assert kept.taken == 200
    assert kept.most_bytes <= 103
