"""Claims about a network that is slower than what is measured: nothing is lost, and nobody is given up for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from embedded_store import embedded
from fault_server import FaultServer, always
from fleet_agents import agent_processes, small_scenario
from perfgate_controller.fleet import dial
from perfgate_controller.member import SHARED

from perfgate.interval import Interval
from perfgate.plan import LANES, Plan
from perfgate.segment import Arm, Segment, SegmentKind
from perfgate.units import NS_PER_MS

STORED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
PIECE = 2048
SEGMENTS, EACH_NS = 400, 10 * NS_PER_MS


@contextlib.asynccontextmanager
async def throttled(address: str, bytes_a_second: float) -> AsyncIterator[str]:
    """A relay before an agent that passes on what it says at this rate, and commands at once."""
    host, _, port = address.rpartition(":")
    tasks: set[asyncio.Task[None]] = set()

    async def passing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait_s: float) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(PIECE):
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(wait_s * len(data))
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(host, int(port), limit=PIECE)
        await asyncio.gather(passing(reader, ours, 0.0), passing(theirs, writer, 1 / bytes_a_second))

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=PIECE)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_controller_that_hears_20_kb_a_second_gets_every_count_of_both_agents(tmp_path: Path) -> None:
    """The limit of silence is that of a fleet that hands over within 2 s."""
    stretch = [
        Segment(n, Arm.BASE, SegmentKind.MEASURED, -1, n * EACH_NS, (n + 1) * EACH_NS, n * EACH_NS)
        for n in range(SEGMENTS)
    ]
    heard: list[Interval] = []
    with agent_processes(tmp_path, ["a", "b"]) as running:
        async with (
            FaultServer(always(STORED)) as store,
            throttled(running["a"].address, 20_000) as slow,
            dial([slow, running["b"].address], "run", patience=SHARED) as fleet,
        ):
            fleet.on_interval(heard.append)
            scenario = small_scenario(rate=400.0)
            await fleet.prepare_data(scenario, 1)
            results = await fleet.load(scenario, 1, embedded(), {Arm.BASE: store.address}, stretch)
    due = len(Plan(scenario, 1).window(range(LANES), 0, SEGMENTS * EACH_NS))
    assert fleet.story.losses == []
    assert [result.difference for result in results] == ["", ""]
    assert sum(one.due for one in heard) == due == len(store.requests)
    assert {one.segment for one in heard} == set(range(SEGMENTS))
