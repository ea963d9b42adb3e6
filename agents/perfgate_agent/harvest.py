"""Takes back what the engine has ended: judges what must be looked at, records everything, frees its place."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from perfgate.operation import OPERATIONS
from perfgate.outcome import Outcome
from perfgate.segment import Arm
from perfgate.targets.adapter import Adapter, Judgement
from perfgate_agent.engine.records import CODINGS, ENDING, OUTCOMES, REPLY, example_of, outcome_of
from perfgate_agent.exchange import Exchange
from perfgate_agent.recorder import Bucket
from perfgate_agent.reply import Body, MarkedBody, is_redirect, judge
from perfgate_agent.slots import Slots

AT_ONCE = 4096


class Harvest:
    """Of one run. `drain(to, most)` fills an array of ENDING and says how many; `free_body` takes a body's address."""

    def __init__(
        self, slots: Slots, adapters: Mapping[Arm, Adapter], buckets: Mapping[int, Bucket], timeout_ns: int,
        drain: Callable[[int, int], int], free_body: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._slots = slots
        self._adapters = adapters
        self._buckets = buckets
        self._timeout_ns = timeout_ns
        self._drain = drain
        self._free_body = free_body
        self._rows = np.zeros(AT_ONCE, dtype=ENDING)

    def reap(self) -> int:
        """Record everything that has ended; how many."""
        total = 0
        while count := self._drain(self._rows.ctypes.data, AT_ONCE):
            self._take(self._rows[:count])
            total += count
            if count < AT_ONCE:
                break
        return total

    def give_up(self) -> None:
        """What the engine never got to, because it had ended before."""
        slots = self._slots.taken()
        rows = np.zeros(len(slots), dtype=ENDING)
        rows["slot"], rows["at_ns"] = slots, self._slots.requests["at_ns"][slots]
        rows["kind"] = _ABANDONED
        self._take(rows)

    def disown(self) -> None:
        """The same at the end of a closed loop, which has no schedule: they were never due."""
        slots = self._slots.taken()
        numbers, counts = np.unique(self._slots.bucket[slots], return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            self._buckets[number].due -= count
        if len(slots):
            self._slots.give_back(slots)

    def _take(self, rows: NDArray[np.void]) -> None:
        if not len(rows):
            return
        slots = rows["slot"].astype(np.uint32)
        good = (rows["kind"] == REPLY) & (rows["judge"] == 0)
        numbers, codes = self._slots.bucket[slots], self._slots.code[slots]
        groups = numbers * len(OPERATIONS) + codes
        for group in np.unique(groups[good]).tolist():
            number, code = divmod(group, len(OPERATIONS))
            chosen = rows[good & (groups == group)]
            index, key = self._slots.index[chosen["slot"]], self._slots.key[chosen["slot"]]
            self._buckets[number].answered_many(
                code, index, chosen["at_ns"], chosen["sent_ns"], chosen["wait_ns"], chosen["done_ns"], key
            )
        others = np.flatnonzero(~good)
        if len(others):
            self._take_singly(rows[others], slots[others], numbers[others].tolist(), codes[others].tolist())
        self._slots.give_back(slots)

    def _take_singly(
        self, rows: NDArray[np.void], slots: NDArray[np.uint32], numbers: list[int], codes: list[int]
    ) -> None:
        """Those that are looked at, or that failed. As tuples: a field of a row of numpy's costs more than the rest."""
        known = self._slots
        about = (known.index[slots].tolist(), known.key[slots].tolist(), known.checked[slots].tolist())
        for row, number, code, index, key, checked in zip(rows.tolist(), numbers, codes, *about, strict=True):
            at_ns, sent_ns, wait_ns, done_ns, address, size, _, system_error, status, kind, reason, _, coding = row
            bucket = self._buckets[number]
            exchange = Exchange(at_ns, code, index, key, checked, bucket, b"")
            exchange.sent_ns, exchange.wait_ns, exchange.done_ns = sent_ns, wait_ns, done_ns
            body = self._body(address, size) if address else b""
            if kind == REPLY:
                bucket.answered(exchange, self._judge(exchange, status, CODINGS[coding], body))
                continue
            outcome = outcome_of(kind, system_error)
            example = example_of(outcome, system_error, reason, body, self._timeout_ns, sent_ns > 0)
            bucket.failed(exchange, outcome, example)

    def _body(self, address: int, size: int) -> bytes:
        body = ctypes.string_at(address, size)
        self._free_body(address)
        return body

    def _judge(self, exchange: Exchange, status: int, coding: str, kept: bytes) -> Judgement:
        bucket = exchange.bucket
        assert bucket is not None
        body: Body = kept
        if is_redirect(status):
            body = MarkedBody(b"", "", kept.decode("latin-1"))
        elif coding:
            body = MarkedBody(kept, coding)
        return judge(self._adapters[bucket.segment.arm], exchange, status, body)


_ABANDONED = OUTCOMES.index(Outcome.ABANDONED)
