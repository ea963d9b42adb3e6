"""Looks at what the engine handed over for a closer look: replies to be checked deeply, odd replies, and failures."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from perfgate.operation import OPERATIONS
from perfgate.outcome import Outcome
from perfgate.segment import Arm
from perfgate.targets.adapter import Adapter, Judgement
from perfgate_agent.engine.records import CODINGS, REPLY, example_of, outcome_of
from perfgate_agent.exchange import Exchange
from perfgate_agent.recorder import Bucket
from perfgate_agent.reply import Body, MarkedBody, is_redirect, judge
from perfgate_agent.slots import Slots

BYTES_AT_ONCE = 4 << 20
"""Bodies that are copied together: they lie twice in memory meanwhile."""

TakeBodies = Callable[[int, int, int], None]
"""(address of rows of ENDING, their number, where to): copies their bodies one behind the other, and frees them."""


class DeepCheck:
    """Of one run. Records what failed, and what good replies were found to hold; when they came is for the caller."""

    def __init__(
        self, slots: Slots, adapters: Mapping[Arm, Adapter], buckets: Mapping[int, Bucket], timeout_ns: int,
        take_bodies: TakeBodies,
    ) -> None:  # fmt: skip
        self._slots = slots
        self._adapters = adapters
        self._buckets = buckets
        self._timeout_ns = timeout_ns
        self._take_bodies = take_bodies

    def look_at(self, rows: NDArray[np.void], slots: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """rows: ENDING (n); slots: theirs. Which of them are good and still to be recorded, bool (n)."""
        good = np.zeros(len(rows), dtype=np.bool_)
        for part in _portions(rows["body_size"]):
            good[part] = self._portion(rows[part], slots[part])
        return good

    def _portion(self, rows: NDArray[np.void], slots: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Nearly all of them are plain replies, which are judged with no more ado than it takes."""
        bodies, status = self._bodies(rows), rows["status"]
        plain = (rows["kind"] == REPLY) & (rows["coding"] == 0) & ~((status >= 300) & (status < 400))
        known, good = self._slots, np.zeros(len(rows), dtype=np.bool_)
        numbers = known.bucket[slots].tolist()
        judges = {number: self._adapters[self._buckets[number].segment.arm].judge for number in set(numbers)}
        spaced = {number: self._buckets[number].grouping is not None for number in judges}
        about = zip(
            plain.tolist(), bodies, numbers, known.code[slots].tolist(), known.index[slots].tolist(), known.key[slots].tolist(),
            known.checked[slots].tolist(), status.tolist(), strict=True,
        )  # fmt: skip
        held: Counter[tuple[int, int, int, int, int]] = Counter()
        passed = []
        for place, (ordinary, body, number, code, index, key, checked, told) in enumerate(about):
            if ordinary:
                judged = judges[number](OPERATIONS[code], key, index, told, body, checked)
            else:
                judged = self._unusual(
                    rows[place], body, Exchange(0, code, index, key, checked, self._buckets[number], b"")
                )
            if judged.outcome is not Outcome.OK:
                self._failed(rows[place], judged, Exchange(0, code, index, key, checked, self._buckets[number], b""))
                continue
            passed.append(place)
            if checked:
                held[number, code, key if spaced[number] else 0, judged.found, judged.expected] += 1
        for (number, code, key, found, expected), times in held.items():
            self._buckets[number].looked_into(code, key, found, expected, times)
        good[passed] = True
        return good

    def _bodies(self, rows: NDArray[np.void]) -> Iterator[bytes]:
        """Where none was kept it is empty."""
        ends = np.cumsum(np.where(rows["body"] != 0, rows["body_size"], 0), dtype=np.int64)
        together = np.empty(int(ends[-1]), np.uint8)
        self._take_bodies(rows.ctypes.data, len(rows), together.ctypes.data)
        text, begin = together.tobytes(), 0
        for end in ends.tolist():
            yield text[begin:end]
            begin = end

    def _unusual(self, row: np.void, body: bytes, exchange: Exchange) -> Judgement:
        """A coded reply, a redirect, or no reply at all."""
        kind, status = int(row["kind"]), int(row["status"])
        if kind != REPLY:
            error, reason, sent = int(row["system_error"]), int(row["reason"]), int(row["sent_ns"]) > 0
            outcome = outcome_of(kind, error)
            return Judgement(outcome, example=example_of(outcome, error, reason, body, self._timeout_ns, sent))
        coding = CODINGS[row["coding"]]
        marked: Body = MarkedBody(body, coding) if coding else body
        if is_redirect(status):
            marked = MarkedBody(b"", "", body.decode("latin-1"))
        assert exchange.bucket is not None
        return judge(self._adapters[exchange.bucket.segment.arm], exchange, status, marked)

    def _failed(self, row: np.void, judged: Judgement, exchange: Exchange) -> None:
        exchange.at_ns, exchange.sent_ns = int(row["at_ns"]), int(row["sent_ns"])
        exchange.wait_ns, exchange.done_ns = int(row["wait_ns"]), int(row["done_ns"])
        assert exchange.bucket is not None
        exchange.bucket.failed(exchange, judged.outcome, judged.example)


def _portions(sizes: NDArray[np.uint32]) -> Iterator[slice]:
    """Rows whose bodies have some BYTES_AT_ONCE together, and one at least."""
    portion = np.cumsum(sizes, dtype=np.int64) // BYTES_AT_ONCE
    edges = [0, *(np.flatnonzero(np.diff(portion)) + 1).tolist(), len(sizes)]
    yield from (slice(begin, end) for begin, end in itertools.pairwise(edges) if end > begin)
