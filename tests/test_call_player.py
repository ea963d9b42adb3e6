"""A load through a client library that owns its connections: the loop stays open, and each way to end has its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from load_cases import MS, PlainAdapter, outcomes, part, plan, run, segments
from perfgate_agent.ask import ask
from perfgate_agent.part import Part
from perfgate_agent.players import make_player

from perfgate.address import Address
from perfgate.errors import MeasurementError
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.segment import Arm
from perfgate.targets.adapter import GOOD, Judgement
from perfgate.targets.protocol import ERROR, VALUE, Call, WireProtocol

Answer = Callable[["FakeSession", Call], Awaitable[tuple[int, bytes]]]


class FakeSession:
    """A connection that answers as it is told."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._tell: Callable[[], None] | None = None
        self.closed = False
        self.under_way = 0

    async def call(self, call: Call) -> tuple[int, bytes]:
        assert not self.closed, "a closed connection was used"
        assert not self.under_way, "two calls at a time"
        self.under_way += 1
        try:
            return await self._answer(self, call)
        finally:
            self.under_way -= 1

    def abort(self) -> None:
        self.end()

    def end(self) -> None:
        """By whatever cause."""
        self.closed = True
        if self._tell is not None:
            asyncio.get_running_loop().call_soon(self._tell)

    def when_closed(self, tell: Callable[[], None]) -> None:
        self._tell = tell


class CallAdapter(PlainAdapter):
    """Opens FakeSessions, or refuses with `refusal`."""

    protocol = WireProtocol.CALLS

    def __init__(self, answer: Answer, refusal: OSError | None = None) -> None:
        super().__init__()
        self._answer, self._refusal = answer, refusal
        self.sessions: list[FakeSession] = []
        self.calls: list[Call] = []

    async def connect(self, address: Address, tls: object) -> FakeSession:
        if self._refusal is not None:
            raise self._refusal
        self.sessions.append(FakeSession(self._answered))
        return self.sessions[-1]

    async def _answered(self, session: FakeSession, call: Call) -> tuple[int, bytes]:
        self.calls.append(call)
        return await self._answer(session, call)

    def encode(self, operation: Operation, key: int, index: int) -> Any:
        return Call(operation.value, (key, index))

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        return GOOD if status == VALUE else Judgement(Outcome.BAD_STATUS, example=body.decode())


async def good(session: FakeSession, call: Call) -> tuple[int, bytes]:
    await asyncio.sleep(0)
    return VALUE, b"[]"


async def wrong(session: FakeSession, call: Call) -> tuple[int, bytes]:
    return ERROR, b"22000 different dimensions"


async def broken(session: FakeSession, call: Call) -> tuple[int, bytes]:
    session.end()
    raise ConnectionResetError("the server went away")


async def unreadable(session: FakeSession, call: Call) -> tuple[int, bytes]:
    raise ValueError("an unknown message")


async def never(session: FakeSession, call: Call) -> tuple[int, bytes]:
    await asyncio.Event().wait()
    raise AssertionError


def called(adapter: CallAdapter, **fields: Any) -> Part:
    """Forty calls in 200 ms."""
    return part([1], plan(), segments(200), adapters={Arm.BASE: adapter}, **fields)


@pytest.mark.parametrize(
    ("answer", "outcome", "example"),
    [
        (good, Outcome.OK, ""),
        (wrong, Outcome.BAD_STATUS, "22000 different dimensions"),
        (broken, Outcome.RESET, "the server went away"),
        (unreadable, Outcome.BAD_REPLY, "an unknown message"),
        (never, Outcome.TIMEOUT, "no complete reply"),
    ],
)
async def test_each_way_to_end_has_its_outcome(answer: Answer, outcome: Outcome, example: str) -> None:
    adapter = CallAdapter(answer)
    report, intervals = await run(
        called(adapter, connections=40, timeout_ns=(400 if outcome is Outcome.TIMEOUT else 5000) * MS)
    )
    assert outcomes(intervals) == {outcome: 40}
    assert report.sent == len(adapter.calls) == 40, "nothing is sent again in secret"
    assert any(example in one for interval in intervals for one in interval.examples) or outcome is Outcome.OK
    assert all(session.closed for session in adapter.sessions)


async def test_a_store_that_lets_nobody_in_refuses() -> None:
    _, intervals = await run(called(CallAdapter(good, ConnectionRefusedError("too many clients already"))))
    assert set(outcomes(intervals)) == {Outcome.REFUSED}
    assert any("too many clients already" in one for interval in intervals for one in interval.examples)


async def test_calls_wait_for_a_free_connection_and_none_is_left_out() -> None:
    async def slow(session: FakeSession, call: Call) -> tuple[int, bytes]:
        await asyncio.sleep(0.01)
        return VALUE, b"[]"

    adapter = CallAdapter(slow)
    report, intervals = await run(called(adapter, connections=1))
    assert outcomes(intervals) == {Outcome.OK: 40}
    assert len(adapter.sessions) == 1
    waited = sum(one.wait.total for one in intervals)
    assert waited > 20, "a call every 5 ms to a store that takes 10"
    for one in intervals:
        for operation in one.operations.values():
            assert operation.response.quantile(0.5) >= operation.service.quantile(0.5)
    assert report.sent == 40


async def test_a_connection_that_the_store_closes_between_calls_is_replaced() -> None:
    async def once(session: FakeSession, call: Call) -> tuple[int, bytes]:
        asyncio.get_running_loop().call_later(0.001, session.end)
        return VALUE, b"[]"

    adapter = CallAdapter(once)
    _, intervals = await run(called(adapter, connections=2))
    assert set(outcomes(intervals)) <= {Outcome.OK, Outcome.STALE_CONNECTION}
    assert outcomes(intervals)[Outcome.OK] > 20
    assert len(adapter.sessions) > 2


async def test_a_connection_that_is_closed_with_its_reply_is_given_up_with_it() -> None:
    async def once(session: FakeSession, call: Call) -> tuple[int, bytes]:
        session.closed = True
        return VALUE, b"[]"

    adapter = CallAdapter(once)
    _, intervals = await run(called(adapter, connections=1))
    assert outcomes(intervals) == {Outcome.OK: 40}
    assert len(adapter.sessions) == 40


async def test_a_fault_of_the_client_library_is_no_reply_and_is_told() -> None:
    async def bug(session: FakeSession, call: Call) -> tuple[int, bytes]:
        raise KeyError("no such statement")

    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    _, intervals = await run(called(CallAdapter(bug)))
    assert outcomes(intervals) == {Outcome.BAD_REPLY: 40}
    assert isinstance(told[0]["exception"], KeyError)


def test_the_engine_makes_no_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFGATE_DRIVER", "engine")
    with pytest.raises(MeasurementError, match=r"not its own to make|is not compiled"):
        make_player(called(CallAdapter(good)), lambda interval: None)


async def test_a_call_outside_a_run_closes_its_connection() -> None:
    adapter = CallAdapter(good)
    assert await ask(adapter, Address("127.0.0.1", 1), Call("count"), 5.0) == (VALUE, b"[]")
    assert [session.closed for session in adapter.sessions] == [True]


async def test_a_call_outside_a_run_does_not_wait_for_ever() -> None:
    adapter = CallAdapter(never)
    with pytest.raises(TimeoutError):
        await ask(adapter, Address("127.0.0.1", 1), Call("count"), 0.05)
    assert adapter.sessions[0].closed
