"""Small runs against small servers: an adapter without a data set, parts, and what a run has recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from fault_server import FaultServer
from perfgate_agent.engine.library import library
from perfgate_agent.native_player import NativePlayer
from perfgate_agent.part import Part
from perfgate_agent.player import Player
from perfgate_agent.players import AnyPlayer

from perfgate.address import Address
from perfgate.interval import Interval
from perfgate.load_report import LoadReport
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.plan import LANES, Plan
from perfgate.scenario import parse_scenario
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.targets.adapter import GOOD, Judgement, Shape

MS = 1_000_000
S = 1_000_000_000


class PlainAdapter:
    """`GET /<operation>/<key>/<index>`; any 200 is right, unless it is `wrong` and checked deeply."""

    operations = frozenset(Operation)

    def __init__(self, port: int = 0) -> None:
        self._port = port

    def encode(self, operation: Operation, key: int, index: int) -> bytes:
        return b"GET /%b/%d/%d HTTP/1.1\r\nHost: h:%d\r\n\r\n" % (operation.encode(), key, index, self._port)

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        if status != 200:
            return Judgement(Outcome.BAD_STATUS, example=f"status {status}")
        return Judgement(Outcome.WRONG_ANSWER, example="wrong") if body == b"wrong" else GOOD

    def shape(self, operation: Operation) -> Shape:
        return Shape(200)

    def encode_load(self, node: int) -> bytes:
        return self.encode(Operation.STORE, node, node)

    def encode_load_batch(self, nodes: Sequence[int]) -> bytes | None:
        return None

    def loaded(self, status: int, body: bytes) -> str:
        return "" if status == 200 else f"status {status}"

    def encode_count(self) -> bytes:
        return b"GET /count HTTP/1.1\r\n\r\n"

    def read_count(self, status: int, body: bytes) -> int:
        return int(body)

    def alive_request(self) -> bytes:
        return b"GET /alive HTTP/1.1\r\n\r\n"


def plan(rate: float = 200, pattern: str = "constant", **tables: Any) -> Plan:
    document = {
        "name": "test",
        "duration": {"total_seconds": 5},
        "arrival": {"pattern": pattern, "rate": rate},
        "operations": {"store_weight": 1, "recall_weight": 1, "embedding_search_weight": 1},
        "data": {"num_nodes": 500, "embedding_dim": 8},
    }
    return Plan(parse_scenario({**document, **tables}))


def segments(*lengths_ms: int, arms: Sequence[Arm] = (Arm.BASE,), kinds: Sequence[SegmentKind] = ()) -> list[Segment]:
    """One after the other; the plan goes on from one to the next."""
    kinds = kinds or [SegmentKind.MEASURED] * len(lengths_ms)
    result, at = [], 0
    for number, length in enumerate(lengths_ms):
        end = at + length * MS
        result.append(Segment(number, arms[number % len(arms)], kinds[number], -1, at, end, at))
        at = end
    return result


def part(servers: Iterable[FaultServer | int], played: Plan, stretch: Sequence[Segment], **fields: Any) -> Part:
    """The first server is the base's, the second the candidate's."""
    ports = {arm: one if isinstance(one, int) else one.port for arm, one in zip(Arm, servers, strict=False)}
    values: dict[str, Any] = {
        "name": "w", "plan": played, "lanes": tuple(range(LANES)), "segments": tuple(stretch),
        "addresses": {arm: Address("127.0.0.1", port) for arm, port in ports.items()},
        "adapters": {arm: PlainAdapter(port) for arm, port in ports.items()},
        "connections": 16, "timeout_ns": 5 * S,
    }  # fmt: skip
    return Part(**{**values, **fields})


def _engine(played: Part, emit: Callable[[Interval], None]) -> AnyPlayer:
    loaded = library()
    if loaded is None:
        pytest.skip("the engine is not compiled")
    return NativePlayer(played, emit, loaded)


DRIVERS: dict[str, Callable[[Part, Callable[[Interval], None]], AnyPlayer]] = {"portable": Player, "engine": _engine}
make_player = DRIVERS["portable"]
"""The fixture `driver` puts each of them here in turn."""


async def run(played: Part, emitted: list[Interval] | None = None) -> tuple[LoadReport, list[Interval]]:
    """Play to the end; the counts of report and intervals must agree."""
    intervals = [] if emitted is None else emitted
    player = make_player(played, intervals.append)
    await player.open()
    return await finish(player, intervals)


async def finish(player: AnyPlayer, intervals: list[Interval]) -> tuple[LoadReport, list[Interval]]:
    async with asyncio.timeout(20):
        report = await player.play(time.monotonic_ns() + 30 * MS)
    check_counts(report, intervals)
    return report, intervals


def check_counts(report: LoadReport, intervals: Sequence[Interval]) -> None:
    assert report.reconciles, report
    assert report.due == sum(one.due for one in intervals) == sum(one.total for one in intervals)
    assert report.sent == sum(one.sent for one in intervals) == sum(one.lag.total for one in intervals)
    assert report.completed == sum(one.completed for one in intervals)
    for one in intervals:
        for operation in one.operations.values():
            assert operation.response.total == operation.service.total == operation.completed


def outcomes(intervals: Iterable[Interval]) -> dict[Outcome, int]:
    """How many requests ended each way; what did not happen is left out."""
    parts = [operation.outcomes for one in intervals for operation in one.operations.values()]
    sums = [sum(part[outcome] for part in parts) for outcome in Outcome]
    return {outcome: count for outcome, count in zip(Outcome, sums, strict=True) if count}
