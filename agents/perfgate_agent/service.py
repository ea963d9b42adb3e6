"""The gRPC service: a lease a stream, commands in, events out, everything ended when the stream ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc

from perfgate import __version__
from perfgate.errors import PerfgateError
from perfgate.trust.role import Role
from perfgate.units import NS_PER_S
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate.wire.version import PROTOCOL, mismatch
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.environment import describe_environment, machine_name
from perfgate_agent.examine import examine
from perfgate_agent.incoming import Incoming
from perfgate_agent.keep import KeptStore
from perfgate_agent.lease import Lease, LeaseBook, Place
from perfgate_agent.peer import Peer, admit, printable
from perfgate_agent.session import AgentSession

SILENCE_LIMIT_S = 10.0
"""A controller that says nothing for so long (it sends heartbeats) is gone. A load ends sooner: when its permit has lapsed."""
LOAD_END_S = 2.0
"""For replies under way and for what workers still have to say, when a load ends because nobody is there any more."""
FAREWELL_S = 5.0
LAPSED_SILENCE_NS = NS_PER_S

log = logging.getLogger("perfgate.agent")


class AgentService(rpc.AgentServicer):
    """One a process."""

    def __init__(self, configuration: AgentConfiguration) -> None:
        self._configuration = configuration
        self._leases = LeaseBook()
        self._kept = KeptStore(configuration.work_dir / "kept")
        self._instance = secrets.token_hex(8)
        self._refusing = False
        self._conversing: tuple[str, Incoming] | None = None
        """The token of the session that holds the agent, and what its controller says."""
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
            instance=self._instance,
            machine=machine_name(),
            waiting=self._leases.waiting,
            kept=await asyncio.to_thread(self._kept.sessions),
        )

    async def ReadClock(self, request: pb.ClockProbe, context: Any) -> pb.ClockReading:
        await admit(context, Role.CONTROLLER, Role.OBSERVER)
        return pb.ClockReading(monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns())

    async def Examine(self, request: pb.ExamineRequest, context: Any) -> pb.Examination:
        await admit(context, Role.CONTROLLER)
        return await examine(self._configuration, request)

    async def Salvage(self, request: pb.SalvageRequest, context: Any) -> None:
        await admit(context, Role.CONTROLLER)
        for part in await asyncio.to_thread(lambda: list(self._kept.parts(request.token))):
            await context.write(part)

    async def Beat(self, request: pb.SideBeat, context: Any) -> pb.Alive:
        await admit(context, Role.CONTROLLER)
        token, incoming = self._conversing or ("", None)
        if incoming is None or not secrets.compare_digest(token.encode(), request.lease.encode()):
            await context.abort(grpc.StatusCode.NOT_FOUND, "no session here has that lease")
        else:
            incoming.beside(request.heartbeat)
        return pb.Alive()

    async def Session(self, commands: AsyncIterator[pb.Command], context: Any) -> None:
        peer = await admit(context, Role.CONTROLLER)
        incoming = Incoming(commands)
        first = await incoming.first(SILENCE_LIMIT_S)
        refusal = self._refusal(first)
        if first is None or refusal is not None:
            await context.write(pb.Event(reply_to=first.id if first else 0, refused=refusal))
            return
        reading = asyncio.ensure_future(incoming.read())
        try:
            lease = await self._lease(first, peer, incoming, reading, context)
            if lease is not None:
                await self._hold(lease, first, incoming, reading, context)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def _refusal(self, first: pb.Command | None) -> pb.Refused | None:
        if first is None or first.WhichOneof("command") != "hello":
            return pb.Refused(reason="a session begins with hello")
        if reason := mismatch(first.hello.protocol, first.hello.perfgate_version):
            return pb.Refused(reason=reason)
        if self._refusing:
            return pb.Refused(reason=f"agent {self._configuration.name} is shutting down")
        return None

    async def _lease(
        self, first: pb.Command, peer: Peer, incoming: Incoming, reading: asyncio.Task[None], context: Any
    ) -> Lease | None:
        """At once, or when its turn comes; None for whoever is refused, or has given up."""
        hello = first.hello
        who = (peer.called(hello.controller), printable(hello.run), printable(hello.run_id))
        if lease := self._leases.take(*who):
            return lease
        if not hello.wait_seconds > 0:
            await context.write(pb.Event(reply_to=first.id, refused=self._held()))
            return None
        place = self._leases.queue(*who)
        waiting = asyncio.ensure_future(self._tell_place(place, context))
        gone = asyncio.ensure_future(incoming.silence(lambda silent_ns: silent_ns > SILENCE_LIMIT_S * NS_PER_S))
        draining = asyncio.ensure_future(self._draining.wait())
        try:
            tasks: set[asyncio.Task[Any]] = {waiting, gone, draining, reading}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if place.lease is not None and not reading.done():
                lease, place.lease = place.lease, None  # now it is the session's to give back
                return lease
            return None
        finally:
            self._leases.leave(place)
            for task in (waiting, gone, draining):  # not awaited: what has been leased must not get lost meanwhile
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
                task.cancel()

    async def _tell_place(self, place: Place, context: Any) -> None:
        """Until its turn has come: how many are before it, and who is served, whenever that changes."""
        while place.lease is None:
            place.moved.clear()
            held = self._held()
            queued = pb.Queued(
                before=self._leases.before(place), holder=held.holder, held_since_wall_ns=held.held_since_wall_ns
            )
            await context.write(pb.Event(queued=queued))
            if place.lease is None:
                await place.moved.wait()

    def _held(self) -> pb.Refused:
        lease = self._leases.current
        return pb.Refused(
            reason=f"agent {self._configuration.name} is taken",
            holder=f"{lease.holder} ({lease.run})" if lease else "",
            held_since_wall_ns=lease.since_wall_ns if lease else 0,
        )

    async def _hold(
        self, lease: Lease, first: pb.Command, incoming: Incoming, reading: asyncio.Task[None], context: Any
    ) -> None:
        """One session, from its welcome until everything begun in it has ended."""
        self._idle.clear()
        log.info("session %s: %s runs %s", lease.token, lease.holder, lease.run)
        session = AgentSession(self._configuration, lease)
        reason = "its controller was lost"
        try:
            session.open()
            welcome = pb.Welcome(
                protocol=PROTOCOL, perfgate_version=__version__, agent=self._configuration.name, lease=lease.token
            )
            # Before it is told: whoever has heard it may have said something before this write has come back.
            incoming.session, self._conversing = session, (lease.token, incoming)
            await context.write(pb.Event(reply_to=first.id, welcome=welcome))
            reason = await self._converse(session, incoming, reading, context)
        except PerfgateError as error:
            await context.write(
                pb.Event(reply_to=first.id, failure=pb.Failure(kind=type(error).__name__, text=str(error)))
            )
        finally:
            self._conversing = None
            await asyncio.shield(asyncio.ensure_future(self._end(session, lease, reason)))

    async def _converse(
        self, session: AgentSession, incoming: Incoming, reading: asyncio.Task[None], context: Any
    ) -> str:
        """Why it is over before its load was; empty where the controller has closed its side."""
        writing = asyncio.ensure_future(_write(session, context))
        silence = asyncio.ensure_future(incoming.silence(lambda silent_ns: _gone(session, silent_ns)))
        draining = asyncio.ensure_future(self._draining.wait())
        try:
            tasks: set[asyncio.Task[Any]] = {writing, silence, draining, reading}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and not reading.cancelled() and reading.exception() is None:
                if not session.load.loading:
                    session.load.keeper.deliver()
                    said = asyncio.ensure_future(session.outbox.emptied())  # what it still wants to hear
                    await asyncio.wait({said, writing}, timeout=FAREWELL_S, return_when=asyncio.FIRST_COMPLETED)
                    said.cancel()
                return "its controller left before the end"
            if silence.done():
                log.warning(
                    "nothing heard of the controller for %.1f s: its session ends", incoming.silent_ns / NS_PER_S
                )
                return "its controller fell silent"
            return "the agent was shut down" if draining.done() else "its controller was lost"
        finally:
            for task in (writing, silence, draining):
                task.cancel()
            await asyncio.gather(writing, silence, draining, return_exceptions=True)

    async def _end(self, session: AgentSession, lease: Lease, reason: str) -> None:
        """Load, then processes, then the lease; what was measured and may not have got through is kept."""
        try:
            await session.load.end(LOAD_END_S)
            if session.load.keeper.worth_keeping:
                kept = pb.KeptSession(
                    token=lease.token, run_id=lease.run_id, run=lease.run, holder=lease.holder, reason=reason
                )
                await asyncio.to_thread(self._kept.write, session.load.keeper, kept)
            await session.close()
        finally:
            self._leases.release(lease)
            self._idle.set()
            log.info("session %s ended", lease.token)


async def _write(session: AgentSession, context: Any) -> None:
    """Events as they come; ends by an error when nobody takes them any more."""
    while True:
        await context.write(await session.outbox.get())
        session.outbox.written()


def _gone(session: AgentSession, silent_ns: int) -> bool:
    """A load ends when its permit has lapsed and its controller is silent; otherwise there is more patience."""
    if session.load.lapsed:
        return silent_ns > LAPSED_SILENCE_NS
    return silent_ns > SILENCE_LIMIT_S * NS_PER_S
