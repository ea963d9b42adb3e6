"""Requests of a check to one store, a few at a time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from perfgate_agent.ask import ask

from perfgate.address import Address
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.target_check.step import State, Step, shown_reply, shown_request
from perfgate.targets.adapter import Adapter
from perfgate.targets.protocol import Payload

TOGETHER = 4
GOOD_SHARE, LEAST_SHARE = 0.9, 0.5
"""Of the true answers: below the first an index is set badly, below the second something is wrong."""
STALL_S, STALL_FACTOR = 1.0, 20.0
"""A request that takes as long, and so many times the median, has met a stall."""


@dataclass(frozen=True, slots=True)
class Answer:
    """outcome None: nobody answered, and `example` says why."""

    sent: str
    received: str
    outcome: Outcome | None
    example: str
    found: int
    expected: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Prober:
    """Asks a store with its adapter; timeout_s: for one reply."""

    adapter: Adapter
    address: Address
    timeout_s: float

    async def raw(self, request: Payload) -> tuple[int, bytes]:
        """Raises OSError saying how long nothing came, and ValueError."""
        try:
            return await ask(self.adapter, self.address, request, self.timeout_s)
        except TimeoutError:
            wait = f"{self.timeout_s:g} s"
            raise OSError(f"no answer within {wait}: the store stalls, or needs longer (--timeout)") from None
        except ConnectionRefusedError:
            raise OSError(f"nobody listens at {self.address}: start the store, or mend the address") from None

    async def ask(self, operation: Operation, key: int, index: int = 0) -> Answer:
        """Whatever the store does is in the answer, never raised: outcome None where nothing could be read, with
        why."""
        request = self.adapter.encode(operation, key, index)
        began, sent = time.monotonic(), shown_request(request)
        try:
            status, body = await self.raw(request)
        except (OSError, ValueError) as error:
            return Answer(sent, "", None, str(error) or type(error).__name__, 0, 0, time.monotonic() - began)
        took = time.monotonic() - began
        judged = self.adapter.judge(operation, key, index, status, body, deep=True)
        received = shown_reply(status, body)
        return Answer(sent, received, judged.outcome, judged.example, judged.found, judged.expected, took)

    async def ask_all(self, operation: Operation, keys: Sequence[tuple[int, int]]) -> list[Answer]:
        """All (key, index), a few at a time; in order."""
        gate = asyncio.Semaphore(TOGETHER)

        async def one(key: int, index: int) -> Answer:
            async with gate:
                return await self.ask(operation, key, index)

        return list(await asyncio.gather(*(one(*each) for each in keys)))


def judge_answers(operation: Operation, answers: Sequence[Answer]) -> Step:
    """What the answers to one operation come to."""
    name, count = operation.value, len(answers)
    bad = [answer for answer in answers if answer.outcome is not Outcome.OK]
    if bad:
        first = bad[0]
        label = first.outcome.label if first.outcome is not None else "no reply"
        text = f"{len(bad)} of {count} requests failed: {label}: {first.example}"
        return Step(name, State.FAILED, text, first.sent, first.received)
    times = [answer.seconds for answer in answers]
    median, worst = statistics.median(times), max(times)
    found, expected = sum(answer.found for answer in answers), sum(answer.expected for answer in answers)
    text = f"{count} requests, p50 {median * 1e3:.1f} ms, slowest {worst * 1e3:.1f} ms"
    example = min(answers, key=lambda answer: answer.found / max(answer.expected, 1))
    if expected:
        share = found / expected
        text += f"; {found} of {expected} true answers found ({share:.2f})"
        if share < GOOD_SHARE:
            replies = {answer.received.partition(" ")[2] for answer in answers}
            if len(replies) == 1 and count > 1:
                text += "; the same answer whatever is asked: a tier that ignores the query?"
            state = State.FAILED if share < LEAST_SHARE else State.WARNING
            return Step(name, state, text, example.sent, example.received)
    if worst > STALL_S and worst > STALL_FACTOR * median:
        text += "; a rare stall, which a p99 does not show"
        return Step(name, State.WARNING, text, example.sent, example.received)
    return Step(name, State.OK, text, answers[0].sent, answers[0].received)
