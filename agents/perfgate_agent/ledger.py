"""What happened to the requests of a run: replies that wait to be judged, intervals that fill up and are emitted.

All of it is work that can wait for a gap between two requests, and goes quicker by the batch: each step finds the
processor's caches full of what the steps before it needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from perfgate.interval import Interval
from perfgate.outcome import Outcome
from perfgate.segment import Arm
from perfgate.targets.adapter import Adapter
from perfgate_agent.exchange import Exchange
from perfgate_agent.recorder import Bucket
from perfgate_agent.reply import Body, judge

JUDGED_AT_ONCE = 4


class Ledger:
    """`worker` signs the intervals; `emit` gets each as soon as all its requests have ended."""

    def __init__(self, worker: str, adapters: Mapping[Arm, Adapter], emit: Callable[[Interval], None]) -> None:
        self._worker = worker
        self._adapters = adapters
        self._emit = emit
        self._distilling: Iterator[Interval | None] | None = None
        self.buckets: list[Bucket] = []
        """Those that are not emitted yet, oldest first."""
        self.replies: deque[tuple[Exchange, int, Body]] = deque()
        """Complete replies, with status and body, that wait to be judged."""
        self.counts = (0, 0, 0, 0, 0)
        """(due, sent, completed, failed, abandoned) of the intervals emitted so far."""

    def failed(self, exchange: Exchange, outcome: Outcome, example: str) -> None:
        """The exchange has ended without a reply."""
        bucket = exchange.bucket
        assert bucket is not None
        bucket.failed(exchange, outcome, example)

    def judge_some(self) -> bool:
        """Judge the replies that wait longest; False when none does."""
        replies, adapters = self.replies, self._adapters
        if not replies:
            return False
        for _ in range(min(JUDGED_AT_ONCE, len(replies))):
            exchange, status, body = replies.popleft()
            bucket = exchange.bucket
            assert bucket is not None
            bucket.answered(exchange, judge(adapters[bucket.segment.arm], exchange, status, body))
        return True

    def distil_step(self) -> bool:
        """One step towards emitting the oldest complete interval; False when there is nothing to do."""
        if self._distilling is None:
            bucket = next((bucket for bucket in self.buckets if bucket.complete), None)
            if bucket is None:
                return False
            self.buckets.remove(bucket)
            added = [sum(pair) for pair in zip(self.counts, bucket.counts(), strict=True)]
            self.counts = tuple(added)  # type: ignore[assignment]
            self._distilling = bucket.distil(self._worker)
            return True
        interval = next(self._distilling)
        if interval is not None:
            self._distilling = None
            self._emit(interval)
        return True

    def close_buckets(self) -> None:
        """No more requests are made."""
        for bucket in self.buckets:
            bucket.closed = True

    def finish(self) -> None:
        """Judge and emit all that is left; every exchange must have ended."""
        self.close_buckets()
        while self.judge_some():
            pass
        while self.distil_step():
            pass
