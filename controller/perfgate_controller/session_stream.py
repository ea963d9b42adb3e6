"""The controller's end of one agent's session: one gRPC stream of calls and answers, kept alive and watched. Foreign errors
end here."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable

import grpc

from perfgate import __version__
from perfgate.errors import FleetError
from perfgate.trust.files import TlsFiles
from perfgate.units import NS_PER_MS, NS_PER_S
from perfgate.wire import version
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate_controller.answers import Holder, plain, raise_refusal
from perfgate_controller.clock_offset import ClockOffset, measure_offset
from perfgate_controller.dial_tls import greet, make_channel, speaks_tls
from perfgate_controller.load_part import LoadPart
from perfgate_controller.member import ALONE, Member, Patience
from perfgate_controller.side_beats import SideBeats

DIAL_S = 10.0
CALL_S = 3600.0
CLOSE_S = 6.0
STOOD_STILL_NS = NS_PER_S
CATCH_UP_S = 0.3
LOOK_LEAST_NS = 5 * NS_PER_MS
STREAM_SILENT_NS = 5 * NS_PER_S
"""Beyond the try at 3 s by which TCP sends again what a network swallowed that was cut for a second or two."""

QueueHandler = Callable[[Holder, int], None]


class SessionStream:
    """One session with one agent. Every call raises FleetError when the agent is lost."""

    def __init__(self, member: str | Member, tls: TlsFiles | None = None, patience: Patience = ALONE) -> None:
        self.member = member if isinstance(member, Member) else Member(member)
        self.address = self.member.address
        self.patience = patience
        self.warning = ""
        self._tls = tls
        self.name = self.address
        self.instance = ""
        self.kept: list[pb.KeptSession] = []
        self.machine = ""
        """Agents with the same one reach each other's loopback; empty: not known."""
        self.environment: dict[str, str] = {}
        self.workers = 0
        self.clock = ClockOffset()
        self.part: LoadPart | None = None
        self.dial_s = DIAL_S
        self._on_queued: QueueHandler = lambda holder, before: None
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[pb.Event]] = {}
        self._channel: grpc.aio.Channel | None = None
        self._reading: asyncio.Task[None] | None = None
        self._tending: list[asyncio.Task[None]] = []
        self._writing = asyncio.Lock()
        self._lost: FleetError | None = None
        self._ended = asyncio.Event()
        self.heard_ns = time.monotonic_ns()
        """By whichever way."""
        self.stream_heard_ns = self.heard_ns
        self.lease = ""

    @property
    def loading(self) -> bool:
        return self.part is not None and self.part.running

    @property
    def lost(self) -> FleetError | None:
        """Why it takes part no more."""
        return self._lost

    async def ended(self) -> FleetError:
        """Wait until it is lost; why it is."""
        await self._ended.wait()
        assert self._lost is not None
        return self._lost

    async def open(self, controller: str, run: str) -> None:
        """Dial, compare versions, take the lease. Raises FleetError that says who holds it, or what is wrong."""
        await self.describe()
        await self.hold(controller, run)

    async def describe(self, wait: bool = True) -> pb.Description:
        """Dial, and compare versions; takes no lease. wait: for an agent that is still starting. Raises FleetError."""
        if self._tls is not None:
            self.warning = (await greet(self.address, self._tls, self.member.tls_name)).warning
        self._channel = make_channel(self.address, self._tls, self.member.tls_name)
        self._stub = rpc.AgentStub(self._channel)  # type: ignore[no-untyped-call]
        try:
            described: pb.Description = await self._stub.Describe(
                pb.DescribeRequest(protocol=version.PROTOCOL), timeout=self.dial_s, wait_for_ready=wait
            )
        except grpc.aio.AioRpcError as error:
            await self._channel.close()
            raise FleetError(await self._why_not(error)) from error
        if reason := version.mismatch(described.protocol, described.perfgate_version):
            await self._channel.close()
            raise FleetError(f"agent {self.address}: {reason}")
        self.name, self.workers, self.instance = plain(described.name), described.workers, described.instance
        self.machine, self.kept = described.machine, list(described.kept)
        self.environment = {plain(name): plain(value) for name, value in described.environment.items()}
        return described

    async def hold(
        self, controller: str, run: str, run_id: str = "", wait_s: float = 0.0, queued: QueueHandler | None = None
    ) -> None:
        """Take the lease, after waiting for it wait_s seconds at most. queued: who is served and how many are before this
        one, whenever that changes. Raises FleetError that says who holds it."""
        last: list[Holder] = []

        def tell(holder: Holder, before: int) -> None:
            last.append(holder)
            if queued is not None:
                queued(holder, before)

        self._on_queued = tell
        self._stream = self._stub.Session()
        self._reading = asyncio.create_task(self._read())
        hello = pb.Hello(
            protocol=version.PROTOCOL, perfgate_version=__version__, controller=controller, run=run, run_id=run_id,
            wait_seconds=wait_s,
        )  # fmt: skip
        self._tending.append(asyncio.create_task(self._beat()))
        try:
            async with asyncio.timeout(wait_s or self.dial_s):
                self.lease = (await self._call(pb.Command(hello=hello))).welcome.lease
        except TimeoutError:
            who = str(last[-1]) if last else "it does not answer"
            raise FleetError(f"agent {self.name} was not free within {wait_s:.1f} s: {who}") from None
        self.heard_ns = self.stream_heard_ns = time.monotonic_ns()
        self._tending.append(asyncio.create_task(self._watch()))
        if self.patience.aside_ns:
            self._tending.append(asyncio.create_task(SideBeats(self, self._tls).tend()))
        await self.measure_clock()

    async def _why_not(self, error: grpc.aio.AioRpcError) -> str:
        if error.code() is grpc.StatusCode.PERMISSION_DENIED:
            return f"agent {self.address} refuses this controller: {error.details()}"
        if self._tls is None and await speaks_tls(self.address):
            return (
                f"agent {self.address} speaks TLS; give PERFGATE_CERTS, or --tls-ca, --tls-cert and --tls-key (perfgate certs "
                "controller makes them)"
            )
        return (
            f"agent {self.address} does not answer ({error.code().name.lower()}); "
            "is `perfgate agent serve` running there, on that port?"
        )

    async def close(self) -> None:
        """End the session and wait until the agent has ended its load and its processes. Never raises."""
        for task in self._tending:
            task.cancel()
        if self._reading is not None and self._lost is not None:
            self._stream.cancel()
        elif self._reading is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await self._stream.done_writing()
                    await asyncio.shield(self._reading)  # cancelling it would cancel the call before the agent is done
        if self._reading is not None:
            self._reading.cancel()
            self._stream.cancel()
        if self._channel is not None:
            await self._channel.close()

    async def read_clock(self) -> pb.ClockReading:
        """Without a lease."""
        reading: pb.ClockReading = await self._stub.ReadClock(pb.ClockProbe(), timeout=self.dial_s)
        return reading

    async def examine(self, request: pb.ExamineRequest, patience_s: float) -> pb.Examination:
        """What its machine does just now, without a lease. Raises AioRpcError."""
        seen: pb.Examination = await self._stub.Examine(request, timeout=patience_s)
        return seen

    async def salvage(self, token: str) -> list[pb.KeptPart]:
        """What it kept of a session. Raises FleetError."""
        try:
            return [part async for part in self._stub.Salvage(pb.SalvageRequest(token=token))]
        except grpc.aio.AioRpcError as error:
            raise FleetError(f"agent {self.name}: {plain(error.details() or error.code().name)}") from error

    async def measure_clock(self) -> None:
        """Anew: clocks drift."""

        async def read() -> pb.ClockReading:
            return (await self._call(pb.Command(clock_probe=pb.ClockProbe()))).clock_reading

        self.clock = await measure_offset(read)

    async def _call(self, command: pb.Command) -> pb.Event:
        if self._lost:
            raise self._lost
        command.id = next(self._ids)
        future: asyncio.Future[pb.Event] = asyncio.get_running_loop().create_future()
        self._waiting[command.id] = future
        try:
            async with self._writing:
                await self._stream.write(command)
            async with asyncio.timeout(CALL_S):
                event = await future
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise self._lost or FleetError(f"agent {self.name} was lost: its stream has ended") from error
        finally:
            self._waiting.pop(command.id, None)
        raise_refusal(self.name, event)
        return event

    async def _read(self) -> None:
        reason = "its stream ended"
        try:
            while (event := await self._stream.read()) is not grpc.aio.EOF:
                self.heard_ns = self.stream_heard_ns = time.monotonic_ns()
                self._take(event)
        except grpc.aio.AioRpcError as error:
            reason = f"{error.code().name.lower()}: {error.details()}"
            self._end_part()
        except Exception as error:  # of an agent that is broken or hostile: nobody may wait for it for ever
            reason = f"it said what cannot be understood ({type(error).__name__}: {error}); is it the same perfgate?"
            self._stream.cancel()
        else:
            self._end_part()
        self._lose(reason)

    def _end_part(self) -> None:
        """The stream has ended, and with it, where that is sure, all that its agent would have sent."""
        if self._lost is None and self.part is not None and self.patience.sure:
            self.part.die(time.monotonic_ns())

    def _take(self, event: pb.Event) -> None:
        if event.WhichOneof("event") == "queued":
            queued = event.queued
            self._on_queued(Holder(self.name, plain(queued.holder), queued.held_since_wall_ns), queued.before)
        elif event.reply_to and event.WhichOneof("event") != "progress":
            waiting = self._waiting.get(event.reply_to)
            if waiting and not waiting.done():
                waiting.set_result(event)
        else:
            self._said(event)

    def _said(self, event: pb.Event) -> None:
        """What is no answer to a call."""

    def _lose(self, reason: str) -> None:
        if self._lost is not None:
            return
        self._lost = FleetError(f"agent {self.name} was lost: {plain(reason)}")
        self._ended.set()
        self._stream.cancel()  # whatever it still says does not count any more
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self._lost)
                future.exception()  # whoever waits sees it; nobody waiting is no error of its own
        if self.part is not None:
            self.part.fail(self._lost)

    async def _watch(self) -> None:
        """Silence, which is judged when this process has had time to hear what was said."""
        looked_ns = time.monotonic_ns()
        while self._lost is None:
            limit_ns = self.patience.load_ns if self.loading else self.patience.idle_ns
            left_ns = self.heard_ns + limit_ns - looked_ns
            await asyncio.sleep(max(LOOK_LEAST_NS, min(left_ns, self.patience.beat_ns // 2)) / NS_PER_S)
            if time.monotonic_ns() - looked_ns > STOOD_STILL_NS:
                await asyncio.sleep(CATCH_UP_S)
            looked_ns = time.monotonic_ns()
            if looked_ns - self.heard_ns > limit_ns:
                self._lose(f"silent for more than {limit_ns / NS_PER_S:g} s")
            elif looked_ns - self.stream_heard_ns > max(limit_ns, STREAM_SILENT_NS):
                self._lose(f"its stream was silent for {STREAM_SILENT_NS / NS_PER_S:g} s, though it answers beside it")

    def heartbeat(self) -> pb.Heartbeat:
        """With the permit of the load that is running."""
        if self.part is None or not self.part.running:
            return pb.Heartbeat()
        permit_ns = self.part.renew(self.heard_ns, self.patience.lease_ns)
        return pb.Heartbeat(epoch=self.part.epoch, permit_ns=permit_ns)

    async def _beat(self) -> None:
        """Heartbeats by the stream."""
        while True:
            await asyncio.sleep(self.patience.beat_ns / NS_PER_S)
            if self._lost is not None:
                return
            try:
                async with self._writing:
                    await self._stream.write(pb.Command(id=next(self._ids), heartbeat=self.heartbeat()))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # the reader says why
