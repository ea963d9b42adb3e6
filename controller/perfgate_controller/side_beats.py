"""Heartbeats beside an agent's stream, over a connection of their own, when the stream is silent under load.

TCP sends what got lost again after 0.2, 0.6, 1.4 and 3 s (its timeout doubles, RFC 6298), so a network that was cut for a
second stays silent for longer. A new connection's first packet goes out at once, again and again, and comes through as soon as
the network is there: then the agent hears its permit and is heard, and the stream has time to recover.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import Protocol

import grpc

from perfgate.errors import InputError
from perfgate.trust.files import TlsFiles
from perfgate.units import NS_PER_S
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate_controller.dial_tls import make_channel, split_address
from perfgate_controller.member import Member, Patience

TRY_S = 0.1
CALL_S = 1.0
BOTH_WAYS_NS = 3 * NS_PER_S
"""Each way of a stream has a timer of its own: the agent may be heard again by it long before it hears its permits."""
OPTIONS = (("grpc.use_local_subchannel_pool", 1),)
"""Otherwise gRPC would give us the connection of the stream."""


class Stream(Protocol):
    """What is needed of SessionStream."""

    member: Member
    address: str
    patience: Patience
    lease: str
    heard_ns: int
    stream_heard_ns: int

    @property
    def loading(self) -> bool: ...

    def heartbeat(self) -> pb.Heartbeat: ...


class SideBeats:
    """Of one session."""

    def __init__(self, stream: Stream, tls: TlsFiles | None) -> None:
        self._stream = stream
        self._tls = tls

    async def tend(self) -> None:
        """For as long as the session lasts; ends by being cancelled."""
        stream, where = self._stream, await _resolved(self._stream.address)
        while True:
            left_ns = stream.stream_heard_ns + stream.patience.aside_ns - time.monotonic_ns()
            await asyncio.sleep(max(TRY_S, left_ns / NS_PER_S))
            if self._silent and await self._reached(where):
                with contextlib.suppress(
                    InputError, grpc.aio.AioRpcError
                ):  # no answer, or its own files are not to be read
                    await self._beat()

    @property
    def _silent(self) -> bool:
        """The stream has said nothing for so long that it may have to wait for TCP."""
        stream = self._stream
        return stream.loading and time.monotonic_ns() - stream.stream_heard_ns > stream.patience.aside_ns

    async def _reached(self, where: set[tuple[str, int]]) -> bool:
        """Whether a new connection came about before the stream spoke again. One that is under way does not keep the next
        from being tried: the first packet of it may be lost, and is sent again only after a second."""
        tries: set[asyncio.Task[None]] = set()
        try:
            while self._silent:
                tries |= {asyncio.create_task(_connect(one)) for one in where}
                done, tries = await asyncio.wait(tries, timeout=TRY_S, return_when=asyncio.FIRST_COMPLETED)
                if any(one.exception() is None for one in done):
                    return True
                if done:  # refused, which is said at once
                    await asyncio.sleep(TRY_S)
            return False
        finally:
            for one in tries:
                one.cancel()
            await asyncio.gather(*tries, return_exceptions=True)

    async def _beat(self) -> None:
        """Until the stream has spoken again and had time to carry heartbeats, too. Raises AioRpcError when nobody answers here
        either."""
        stream, ends_ns = self._stream, time.monotonic_ns() + BOTH_WAYS_NS
        async with make_channel(stream.address, self._tls, stream.member.tls_name, OPTIONS) as channel:
            stub, pause_s = rpc.AgentStub(channel), 0.0  # type: ignore[no-untyped-call]
            while self._silent or (stream.loading and time.monotonic_ns() < ends_ns):
                await stub.Beat(pb.SideBeat(lease=stream.lease, heartbeat=stream.heartbeat()), timeout=CALL_S)
                stream.heard_ns = time.monotonic_ns()
                await asyncio.sleep(pause_s)  # the second one at once: only now there is a further permit
                pause_s = stream.patience.beat_ns / NS_PER_S


async def _resolved(address: str) -> set[tuple[str, int]]:
    """All that its name stands for, asked while the network is there: without it, each question to the name service would keep
    a thread for seconds."""
    host, port = split_address(address)
    with contextlib.suppress(OSError):
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return {(str(one[4][0]), port) for one in found}
    return {(host, port)}


async def _connect(where: tuple[str, int]) -> None:
    """Raises OSError."""
    async with asyncio.timeout(CALL_S):
        _, writer = await asyncio.open_connection(*where)
    writer.transport.abort()
