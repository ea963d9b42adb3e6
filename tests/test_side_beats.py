"""Claims about heartbeats beside a stream that says nothing: who is not lost, and who is all the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from embedded_store import embedded
from fault_server import FaultServer, always
from fleet_agents import agent_processes, one_segment, small_scenario
from perfgate_controller import session_stream
from perfgate_controller.fleet import dial
from perfgate_controller.link import AgentLink
from perfgate_controller.member import SHARED, Patience

from perfgate.interval import Interval
from perfgate.plan import LANES, Plan
from perfgate.segment import Arm
from perfgate.units import NS_PER_MS, NS_PER_S
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc

STORED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
SEED = 1
WATCHED = Patience(60 * NS_PER_S, 2500 * NS_PER_MS, 3 * NS_PER_S, aside_ns=500 * NS_PER_MS)
BLIND = Patience(60 * NS_PER_S, 2500 * NS_PER_MS, 3 * NS_PER_S, aside_ns=0)


class Relay:
    """Before an agent. While it is frozen, connections that exist pass nothing on and lose nothing, as those do that wait for
    TCP's next try; new ones work."""

    def __init__(self, agent: str) -> None:
        self._host, _, self._port = agent.rpartition(":")
        self._tasks: set[asyncio.Task[None]] = set()
        self._gates: list[asyncio.Event] = []
        self.address = ""
        self.connections = 0

    def freeze(self) -> None:
        for gate in self._gates:
            gate.clear()

    def thaw(self) -> None:
        for gate in self._gates:
            gate.set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Relay]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = (
            f"localhost:{server.sockets[0].getsockname()[1]}"  # which may stand for ::1, too, where nobody listens
        )
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.add(asyncio.ensure_future(self._join(reader, writer)))

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(self._host, int(self._port))
        gate = asyncio.Event()
        gate.set()
        self._gates.append(gate)
        await asyncio.gather(_pass(reader, ours, gate), _pass(theirs, writer, gate))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(256 * 1024):
            await gate.wait()
            writer.write(data)
            await writer.drain()
    writer.close()


async def load_with_a_frozen_stream(
    tmp_path: Path, patience: Patience, thaw_s: float | None, seconds: float
) -> list[int]:
    """The stream of one of two agents is frozen in the middle of a load. Requests: planned, come in, got by the store, lost
    agents."""
    heard: list[Interval] = []
    with agent_processes(tmp_path, ["a", "b"]) as running:
        async with (
            FaultServer(always(STORED)) as store,
            Relay(running["a"].address).listening() as relay,
            dial([running["b"].address, relay.address], "run", patience=patience) as fleet,
        ):
            fleet.on_interval(heard.append)
            scenario = small_scenario()
            await fleet.prepare_data(scenario, SEED)
            load = asyncio.ensure_future(
                fleet.load(scenario, SEED, embedded(), {Arm.BASE: store.address}, one_segment(seconds))
            )
            while len(store.requests) < 40:
                await asyncio.sleep(0.02)
            relay.freeze()
            if thaw_s is not None:
                await asyncio.sleep(thaw_s)
                relay.thaw()
            await load
            planned = len(Plan(scenario, SEED).window(range(LANES), 0, round(seconds * NS_PER_S)))
            return [planned, sum(one.due for one in heard), len(store.requests), len(fleet.story.losses)]


async def test_an_agent_whose_stream_waits_for_tcp_is_heard_beside_it_and_goes_on(tmp_path: Path) -> None:
    planned, came, got, lost = await load_with_a_frozen_stream(tmp_path, WATCHED, 3.6, 6.0)
    assert lost == 0
    assert planned == came == got


async def test_without_heartbeats_beside_its_stream_the_same_agent_is_lost(tmp_path: Path) -> None:
    *_, lost = await load_with_a_frozen_stream(tmp_path, BLIND, None, 6.0)
    assert lost == 1


async def test_an_agent_whose_stream_never_speaks_again_is_lost_though_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_stream, "STREAM_SILENT_NS", 3 * NS_PER_S)
    planned, came, got, lost = await load_with_a_frozen_stream(tmp_path, WATCHED, None, 8.0)
    assert lost == 1
    assert came < planned
    assert got <= planned, "a request was sent twice"


async def test_a_heartbeat_beside_the_stream_needs_the_lease_of_the_session(tmp_path: Path) -> None:
    with agent_processes(tmp_path, ["a"]) as running:
        address = running["a"].address
        async with grpc.aio.insecure_channel(address) as channel:
            stub = rpc.AgentStub(channel)  # type: ignore[no-untyped-call]
            assert await refused(stub, "") is grpc.StatusCode.NOT_FOUND
            link = AgentLink(address, patience=SHARED)
            await link.open("ci", "run")
            assert link.lease
            assert await stub.Beat(pb.SideBeat(lease=link.lease)) == pb.Alive()
            assert await refused(stub, "") is grpc.StatusCode.NOT_FOUND
            assert await refused(stub, link.lease + "0") is grpc.StatusCode.NOT_FOUND
            await link.close()
            assert await refused(stub, link.lease) is grpc.StatusCode.NOT_FOUND


async def refused(stub: rpc.AgentStub, lease: str) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.Beat(pb.SideBeat(lease=lease))
    code: grpc.StatusCode = error.value.code()
    return code
