"""Worker processes: prepared, started, heard to the end, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop
from embedded_store import data_of, embedded, running_store, small_plan
from fault_server import FaultServer, always
from load_cases import check_counts, segments
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.load import Load, LoadOrder
from perfgate_agent.loader import load_nodes
from perfgate_agent.messages import Failed, Finished, IntervalMessage, Message, Prepare, StartAt, frame, read_message
from perfgate_agent.player import Player
from perfgate_agent.process import LOOPBACK
from perfgate_agent.worker import WorkerHandle
from perfgate_agent.worker_process import Worker

from perfgate.address import Address
from perfgate.errors import MeasurementError
from perfgate.interval import Interval
from perfgate.plan import LANES
from perfgate.segment import Arm
from perfgate.targets.adapter import make_adapter

STORED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
LONG_MS = 60_000


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cache")
    data_of(small_plan(), directory)
    return directory


@pytest_asyncio.fixture
async def worker() -> AsyncIterator[WorkerHandle]:
    worker = await WorkerHandle.spawn("a/1", ())
    yield worker
    await worker.kill()


def order(cache: Path, port: int, length_ms: int = 300) -> Prepare:
    return Prepare(
        scenario_json=small_plan().scenario.source, seed=small_plan().seed, target_json=embedded().source,
        cache_dir=str(cache), lanes=tuple(range(LANES)), addresses={Arm.BASE: Address(LOOPBACK, port)},
        segments=tuple(segments(length_ms)), connections=8,
    )  # fmt: skip


async def rest(worker: WorkerHandle) -> list[Message]:
    """What it says until it has finished, failed or ended."""
    heard: list[Message] = []
    async for message in worker.messages():
        heard.append(message)
        if isinstance(message, Finished | Failed):
            break
    return heard


async def test_a_worker_plays_run_after_run(worker: WorkerHandle, cache: Path) -> None:
    async with FaultServer(always(STORED)) as server:
        for _ in range(2):
            await worker.prepare(order(cache, server.port))
            worker.start_at(time.monotonic_ns())
            heard = await rest(worker)
            finished = heard[-1]
            assert isinstance(finished, Finished)
            assert finished.report.due == 60
            check_counts(finished.report, [one.interval for one in heard if isinstance(one, IntervalMessage)])
    assert len(server.requests) == 120


async def test_a_new_order_ends_the_run_before_it(worker: WorkerHandle, cache: Path) -> None:
    async with FaultServer(always(STORED)) as server:
        await worker.prepare(order(cache, server.port, LONG_MS))
        worker.start_at(time.monotonic_ns())
        await worker.prepare(order(cache, server.port))
        worker.start_at(time.monotonic_ns())
        finished = (await rest(worker))[-1]
    assert isinstance(finished, Finished)
    assert finished.report.due == 60


async def test_stop_ends_a_run_early_with_all_its_counts(worker: WorkerHandle, cache: Path) -> None:
    async with FaultServer(always(STORED)) as server:
        await worker.prepare(order(cache, server.port, LONG_MS))
        worker.start_at(time.monotonic_ns())
        while not server.requests:
            await asyncio.sleep(0.01)
        worker.stop()
        heard = await rest(worker)
    finished = heard[-1]
    assert isinstance(finished, Finished)
    assert finished.report.stopped
    check_counts(finished.report, [one.interval for one in heard if isinstance(one, IntervalMessage)])


async def test_an_order_that_cannot_be_prepared_is_refused_with_the_reason(worker: WorkerHandle, cache: Path) -> None:
    good = order(cache, 1)
    bad = Prepare(
        "no json", good.seed, good.target_json, good.cache_dir, good.lanes, good.addresses, good.segments, 1
    )  # fmt: skip
    with pytest.raises(MeasurementError, match="worker a/1 could not prepare the load: scenario"):
        await worker.prepare(bad)
    await worker.prepare(good)  # and the worker lives


async def test_the_death_of_a_worker_is_heard(worker: WorkerHandle, cache: Path) -> None:
    async with FaultServer(always(STORED)) as server:
        await worker.prepare(order(cache, server.port, LONG_MS))
        worker.start_at(time.monotonic_ns())
        os.kill(worker.pid, signal.SIGKILL)
        assert not [one for one in await rest(worker) if isinstance(one, Finished | Failed)]
    with pytest.raises(MeasurementError, match="it ended"):
        await worker.prepare(order(cache, server.port))


async def test_a_worker_ends_when_nobody_listens_any_more() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "perfgate_agent.worker_process", str(theirs.fileno()), "a/1",
            pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
    ours.close()
    async with asyncio.timeout(20):
        assert await process.wait() == 0


def test_an_error_in_a_callback_fails_the_run(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise be logged and forgotten, and the measurement be wrong."""

    def broken(self: object, *args: object) -> bool:
        raise ArithmeticError("a bug")

    async def play() -> list[Message]:
        monkeypatch.setenv("PERFGATE_DRIVER", "portable")
        monkeypatch.setattr(Player, "_answered", broken)
        async with FaultServer(always(STORED)) as server:
            ours, theirs = socket.socketpair()
            reader, writer = await asyncio.open_connection(sock=ours)
            serving = asyncio.ensure_future(Worker("a/1", *await asyncio.open_connection(sock=theirs)).serve())
            writer.write(frame(order(cache, server.port)))
            heard = [await read_message(reader)]
            writer.write(frame(StartAt(time.monotonic_ns())))
            while not isinstance(heard[-1], Failed):
                heard.append(await read_message(reader))
            writer.close()
            await serving
        return [one for one in heard if one is not None]

    failed = uvloop.run(play())[-1]
    assert isinstance(failed, Failed)
    assert "a bug" in failed.text


async def test_the_workers_of_an_agent_share_its_lanes(cache: Path, tmp_path: Path) -> None:
    data = data_of(small_plan(), cache)
    configuration = AgentConfiguration("a", LOOPBACK, 0, cache, tmp_path, workers=2)
    load, intervals = Load(configuration, tmp_path), list[Interval]()
    async with running_store(32) as port:
        await load_nodes(make_adapter(embedded(), data, LOOPBACK, port), Address(LOOPBACK, port), data.num_nodes, 4)
        try:
            plan = small_plan()
            await load.prepare(
                LoadOrder(
                    plan.scenario,
                    plan.seed,
                    embedded(),
                    {Arm.BASE: Address(LOOPBACK, port)},
                    tuple(segments(400)),
                    tuple(range(LANES)),
                    1,
                )
            )
            reports, stolen = await load.run(time.monotonic_ns() + 50_000_000, intervals.append)
        finally:
            await load.close()
    assert [report.worker for report in reports] == ["a/1", "a/2"]
    assert [report.due for report in reports] == [40, 40]
    assert sum(report.completed for report in reports) == 80
    assert {one.worker for one in intervals} == {"a/1", "a/2"}
    assert 0 <= stolen <= 1
    for report in reports:
        check_counts(report, [one for one in intervals if one.worker == report.worker])
