"""Records how exchanges ended: raw samples of about a second at a time, turned into histograms when there is time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from perfgate.histogram import Histogram
from perfgate.interval import FAILED_KEYS_KEPT, RECALL_STEPS, Interval, OperationInterval, merge_operations
from perfgate.operation import OPERATIONS, Operation
from perfgate.outcome import OUTCOMES, Outcome
from perfgate.segment import Segment
from perfgate.spaces import Grouping
from perfgate.targets.adapter import Judgement
from perfgate_agent.exchange import Exchange
from perfgate_agent.raw import raw_rows

Integers = NDArray[np.int64]


class Part:
    """What is recorded of one operation."""

    __slots__ = ("checked", "expected", "failed", "found", "outcomes", "recalls", "response", "service")

    def __init__(self) -> None:
        self.response = array("q")
        self.service = array("q")
        self.outcomes = [0] * len(OUTCOMES)
        self.checked = 0
        self.found = 0
        self.expected = 0
        self.failed: list[int] = []
        self.recalls = [0] * (RECALL_STEPS + 1)


class Bucket:
    """One interval while it is being recorded. start_ns, end_ns: on the run's clock; origin_ns: where that clock's zero
    lies on the monotonic clock. grouping: memory spaces that are recorded apart; `parts` are then by group times operations
    plus operation, otherwise by operation. `closed`: no further request will be added. raw: every request as it was, where
    that was asked for."""

    __slots__ = (
        "closed", "due", "end_ns", "ended", "examples", "grouping", "lag", "last_done_ns", "origin_ns", "parts", "raw",
        "segment", "start_ns", "wait",
    )  # fmt: skip

    def __init__(
        self, segment: Segment, start_ns: int, end_ns: int, origin_ns: int, grouping: Grouping | None = None
    ) -> None:
        self.segment = segment
        self.grouping = grouping
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.origin_ns = origin_ns
        self.due = 0
        self.ended = 0
        self.last_done_ns = 0
        self.parts: dict[int, Part] = {}
        self.lag = array("q")
        self.wait = array("q")
        self.examples: dict[Outcome, str] = {}
        self.closed = False
        self.raw = raw_rows(segment, origin_ns)

    @property
    def complete(self) -> bool:
        """Nothing more comes to it: every request that was due has ended, in whatever way."""
        return self.closed and self.ended == self.due

    @property
    def sent(self) -> int:
        return len(self.lag)

    def counts(self) -> tuple[int, int, int, int, int]:
        """(due, sent, completed, failed, abandoned) so far."""
        ended = [sum(part.outcomes[outcome] for part in self.parts.values()) for outcome in OUTCOMES]
        completed, abandoned = ended[Outcome.OK], ended[Outcome.ABANDONED]
        return self.due, self.sent, completed, sum(ended) - completed - abandoned, abandoned

    def answered(self, exchange: Exchange, judged: Judgement) -> None:
        """A request whose complete reply has been judged."""
        if judged.outcome is not Outcome.OK:
            self.failed(exchange, judged.outcome, judged.example)
            return
        part = self._of(exchange.code, exchange.key)
        part.outcomes[0] += 1
        done = exchange.done_ns
        part.response.append(done - exchange.at_ns)
        part.service.append(done - exchange.sent_ns)
        if exchange.checked:
            self.looked_into(exchange.code, exchange.key, judged.found, judged.expected)
        self._end(exchange, Outcome.OK)

    def looked_into(self, code: int, key: int, found: int, expected: int, times: int = 1) -> None:
        """What good replies, so many of them, were each found to hold when they were checked deeply."""
        part = self._of(code, key)
        part.checked += times
        part.found += times * found
        part.expected += times * expected
        if expected:
            part.recalls[RECALL_STEPS * min(found, expected) // expected] += times

    def answered_many(
        self, code: int, index: Integers, at_ns: Integers, sent_ns: Integers, wait_ns: Integers, done_ns: Integers,
        key: Integers,
    ) -> None:  # fmt: skip
        """Requests of one operation whose replies were found good without a closer look; int64 (n) each. index, key: of
        the plan."""
        if self.raw is not None:
            self.raw.add(code, Outcome.OK, index, at_ns, sent_ns, wait_ns, done_ns)
        response, service = done_ns - at_ns, done_ns - sent_ns
        if self.grouping is None:
            self._add(code, response, service)
        else:
            groups = self.grouping.of_keys(key)
            for group in np.unique(groups).tolist():
                mine = groups == group
                self._add(group * len(OPERATIONS) + code, response[mine], service[mine])
        self.ended += len(at_ns)
        self.lag.frombytes((sent_ns - at_ns - wait_ns).tobytes())
        self.wait.frombytes(wait_ns[wait_ns > 0].tobytes())
        self.last_done_ns = max(self.last_done_ns, int(done_ns.max(initial=0)))

    def failed(self, exchange: Exchange, outcome: Outcome, example: str) -> None:
        """Any outcome but OK: counted by kind, never a latency."""
        part = self._of(exchange.code, exchange.key)
        part.outcomes[outcome] += 1
        if len(part.failed) < FAILED_KEYS_KEPT:
            part.failed.append(exchange.index)
        if example and outcome not in self.examples:
            self.examples[outcome] = example
        self._end(exchange, outcome)

    def _add(self, number: int, response: Integers, service: Integers) -> None:
        part = self.parts.get(number) or self._part(number)
        part.outcomes[0] += len(response)
        part.response.frombytes(response.tobytes())
        part.service.frombytes(service.tobytes())

    def _of(self, code: int, key: int) -> Part:
        number = code
        if self.grouping is not None:
            number += self.grouping.of(key) * len(OPERATIONS)
        return self.parts.get(number) or self._part(number)

    def _part(self, number: int) -> Part:
        part = self.parts[number] = Part()
        return part

    def _end(self, exchange: Exchange, outcome: Outcome) -> None:
        self.ended += 1
        if self.raw is not None:
            times = ([exchange.at_ns], [exchange.sent_ns], [exchange.wait_ns], [exchange.done_ns])
            self.raw.add(exchange.code, outcome, [exchange.index], *times)
        if exchange.sent_ns:
            # The generator's own error; what a request spends waiting for a connection is the store's.
            self.lag.append(exchange.sent_ns - exchange.at_ns - exchange.wait_ns)
            if exchange.wait_ns:
                self.wait.append(exchange.wait_ns)
            if exchange.done_ns > self.last_done_ns:
                self.last_done_ns = exchange.done_ns

    def distil(self, worker: str) -> Iterator[Interval | None]:
        """Turn samples into histograms step by step: yields None between steps, which take some 50 µs each, and the
        interval at the end."""
        if self.raw is not None:
            self.raw.write(worker)
        recorded: dict[int, OperationInterval] = {}
        for number in sorted(self.parts):
            part = self.parts[number]
            response = Histogram.of(part.response)
            yield None
            service = Histogram.of(part.service)
            recorded[number] = OperationInterval(
                response, service, tuple(part.outcomes), part.checked, part.found, part.expected,
                tuple(sorted(part.failed)), tuple(part.recalls) if part.expected else (),
            )  # fmt: skip
            yield None
        spaces: dict[str, dict[Operation, OperationInterval]] = {}
        operations = {OPERATIONS[number]: part for number, part in recorded.items() if self.grouping is None}
        if self.grouping is not None:
            spaces = by_space(recorded, self.grouping)
            operations = merge_operations(spaces.values())
            yield None
        lag, wait = Histogram.of(self.lag), Histogram.of(self.wait)
        yield None
        yield Interval(
            segment=self.segment.number, start_ns=self.start_ns, end_ns=self.end_ns, due=self.due, sent=self.sent,
            last_done_ns=max(0, self.last_done_ns - self.origin_ns) if self.last_done_ns else 0,
            operations=operations, lag=lag, wait=wait, worker=worker,
            examples=tuple(f"{outcome.label}: {text}" for outcome, text in self.examples.items()), spaces=spaces,
        )  # fmt: skip


def by_space(
    recorded: Mapping[int, OperationInterval], grouping: Grouping
) -> dict[str, dict[Operation, OperationInterval]]:
    """What a bucket's parts hold, by the names of groups and by operation."""
    spaces: dict[str, dict[Operation, OperationInterval]] = {}
    for number, part in recorded.items():
        group, code = divmod(number, len(OPERATIONS))
        spaces.setdefault(grouping.names[group], {})[OPERATIONS[code]] = part
    return spaces
