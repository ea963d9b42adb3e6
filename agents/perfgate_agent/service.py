"""The gRPC service: a lease a stream, commands in, events out, everything ended when the stream ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from perfgate import __version__
from perfgate.errors import PerfgateError
from perfgate.trust.role import Role
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate.wire.version import PROTOCOL, mismatch
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.environment import describe_environment
from perfgate_agent.lease import LeaseBook
from perfgate_agent.peer import admit, printable
from perfgate_agent.session import AgentSession

SILENCE_LIMIT_S = 10.0
"""A controller that says nothing for so long (it sends a heartbeat a second) is gone, and its load must end."""

log = logging.getLogger("perfgate.agent")


class AgentService(rpc.AgentServicer):
    """One a process."""

    def __init__(self, configuration: AgentConfiguration) -> None:
        self._configuration = configuration
        self._leases = LeaseBook()
        self._refusing = False
        self._draining = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def drain(self, patience_s: float) -> None:
        """Take no new session; the running one may go on for so long, then it is ended."""
        self._refusing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._idle.wait()
        self._draining.set()

    async def Describe(self, request: pb.DescribeRequest, context: Any) -> pb.Description:
        await admit(context, Role.CONTROLLER, Role.OBSERVER)
        lease = self._leases.current
        environment = describe_environment()
        return pb.Description(
            protocol=PROTOCOL,
            perfgate_version=__version__,
            name=self._configuration.name,
            cores=int(environment["cores"]),
            workers=self._configuration.workers,
            targets=sorted(self._configuration.targets),
            holder=f"{lease.holder} ({lease.run})" if lease else "",
            held_since_wall_ns=lease.since_wall_ns if lease else 0,
            environment=environment,
        )

    async def Session(self, commands: AsyncIterator[pb.Command], context: Any) -> AsyncIterator[pb.Event]:
        peer = await admit(context, Role.CONTROLLER)
        first = await _first(commands)
        refusal = self._refusal(first)
        if refusal or first is None:
            yield pb.Event(reply_to=first.id if first else 0, refused=refusal)
            return
        lease = self._leases.take(peer.called(first.hello.controller), printable(first.hello.run))
        if lease is None:
            yield pb.Event(reply_to=first.id, refused=self._held())
            return
        self._idle.clear()
        log.info("session %s: %s runs %s", lease.token, lease.holder, lease.run)
        session = AgentSession(self._configuration, lease)
        try:
            session.open()
            welcome = pb.Welcome(
                protocol=PROTOCOL, perfgate_version=__version__, agent=self._configuration.name, lease=lease.token
            )
            yield pb.Event(reply_to=first.id, welcome=welcome)
            async for event in self._events(session, commands):
                yield event
        except PerfgateError as error:
            yield pb.Event(reply_to=first.id, failure=pb.Failure(kind=type(error).__name__, text=str(error)))
        finally:
            try:
                await asyncio.shield(session.close())
            finally:
                self._leases.release(lease)
                self._idle.set()
                log.info("session %s ended", lease.token)

    def _refusal(self, first: pb.Command | None) -> pb.Refused | None:
        if first is None or first.WhichOneof("command") != "hello":
            return pb.Refused(reason="a session begins with hello")
        if reason := mismatch(first.hello.protocol, first.hello.perfgate_version):
            return pb.Refused(reason=reason)
        if self._refusing:
            return pb.Refused(reason=f"agent {self._configuration.name} is shutting down")
        return None

    def _held(self) -> pb.Refused:
        lease = self._leases.current
        assert lease is not None
        return pb.Refused(
            reason=f"agent {self._configuration.name} is taken",
            holder=f"{lease.holder} ({lease.run})",
            held_since_wall_ns=lease.since_wall_ns,
        )

    async def _events(self, session: AgentSession, commands: AsyncIterator[pb.Command]) -> AsyncIterator[pb.Event]:
        """Events until the controller closes its side, falls silent, or the agent drains."""
        reader = asyncio.ensure_future(_read(session, commands))
        watch = asyncio.ensure_future(_silence(session))
        draining = asyncio.ensure_future(self._draining.wait())
        ends: set[asyncio.Future[Any]] = {reader, watch, draining}
        getter: asyncio.Future[pb.Event] | None = None
        try:
            while True:
                getter = getter or asyncio.ensure_future(session.outbox.get())
                await asyncio.wait({getter, *ends}, return_when=asyncio.FIRST_COMPLETED)
                if getter.done():
                    event, getter = getter.result(), None
                    yield event
                elif any(end.done() for end in ends):
                    return
        finally:
            for task in (*ends, *((getter,) if getter else ())):
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)


async def _first(commands: AsyncIterator[pb.Command]) -> pb.Command | None:
    """None where a client opens a stream and says nothing."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SILENCE_LIMIT_S):
            return await anext(aiter(commands), None)
    return None


async def _read(session: AgentSession, commands: AsyncIterator[pb.Command]) -> None:
    """No faster than they are carried out and their answers taken."""
    async for command in commands:
        session.take(command)
        await session.room()


async def _silence(session: AgentSession) -> None:
    while time.monotonic_ns() - session.heard_ns < SILENCE_LIMIT_S * 1e9:
        await asyncio.sleep(0.5)
    log.warning("the controller has been silent for %g s: ending its session", SILENCE_LIMIT_S)
