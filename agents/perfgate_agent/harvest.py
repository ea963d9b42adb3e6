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
        others = np.flatnonzero(~good)
        if len(others):
            found_good = self._look_at(rows[others], slots[others], numbers[others].tolist(), codes[others].tolist())
            good[others[found_good]] = True
        groups = numbers * len(OPERATIONS) + codes
        for group in np.unique(groups[good]).tolist():
            number, code = divmod(group, len(OPERATIONS))
            chosen = rows[good & (groups == group)]
            index, key = self._slots.index[chosen["slot"]], self._slots.key[chosen["slot"]]
            self._buckets[number].answered_many(
                code, index, chosen["at_ns"], chosen["sent_ns"], chosen["wait_ns"], chosen["done_ns"], key
            )
        self._slots.give_back(slots)

    def _look_at(
        self, rows: NDArray[np.void], slots: NDArray[np.uint32], numbers: list[int], codes: list[int]
    ) -> list[int]:
        """Judges replies one by one and records what failed; positions of those that are good and are to be recorded with
        the others. As tuples: a field of a row of numpy's costs more than the rest."""
        known, good = self._slots, []
        about = (known.index[slots].tolist(), known.key[slots].tolist(), known.checked[slots].tolist())
        for place, (row, number, code, index, key, checked) in enumerate(
            zip(rows.tolist(), numbers, codes, *about, strict=True)
        ):
            at_ns, sent_ns, wait_ns, done_ns, address, size, _, system_error, status, kind, reason, _, coding = row
            bucket = self._buckets[number]
            body = self._body(address, size) if address else b""
            outcome: Outcome
            if kind == REPLY:
                judged = self._judge(bucket, code, index, key, checked, status, CODINGS[coding], body)
                if judged.outcome is Outcome.OK:
                    if checked:
                        bucket.looked_into(code, key, judged)
                    good.append(place)
                    continue
                outcome, example = judged.outcome, judged.example
            else:
                outcome = outcome_of(kind, system_error)
                example = example_of(outcome, system_error, reason, body, self._timeout_ns, sent_ns > 0)
            exchange = Exchange(at_ns, code, index, key, checked, bucket, b"")
            exchange.sent_ns, exchange.wait_ns, exchange.done_ns = sent_ns, wait_ns, done_ns
            bucket.failed(exchange, outcome, example)
        return good

    def _body(self, address: int, size: int) -> bytes:
        body = ctypes.string_at(address, size)
        self._free_body(address)
        return body

    def _judge(
        self, bucket: Bucket, code: int, index: int, key: int, checked: bool, status: int, coding: str, kept: bytes
    ) -> Judgement:
        adapter = self._adapters[bucket.segment.arm]
        if not coding and not is_redirect(status):
            return adapter.judge(OPERATIONS[code], key, index, status, kept, checked)
        body: Body = MarkedBody(kept, coding) if coding else b""
        if is_redirect(status):
            body = MarkedBody(b"", "", kept.decode("latin-1"))
        return judge(adapter, Exchange(0, code, index, key, checked, bucket, b""), status, body)


_ABANDONED = OUTCOMES.index(Outcome.ABANDONED)
