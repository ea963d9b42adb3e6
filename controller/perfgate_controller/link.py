"""The controller's end of one agent's session: typed calls over one gRPC stream. Foreign errors end here."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc

from perfgate import __version__, errors
from perfgate.address import Address
from perfgate.errors import FleetError, PerfgateError
from perfgate.interval import Interval
from perfgate.plan import LANES
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment
from perfgate.targets.model import Target
from perfgate.trust.files import TlsFiles
from perfgate.units import NS_PER_S
from perfgate.wire import version
from perfgate.wire.convert import (
    address_from_wire,
    address_to_wire,
    interval_from_wire,
    report_from_wire,
    segment_to_wire,
)
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate.wire.v1 import wire_pb2_grpc as rpc
from perfgate_controller.clock_offset import ClockOffset, measure_offset
from perfgate_controller.dial_tls import greet, make_channel, speaks_tls
from perfgate_controller.load_part import LoadPart
from perfgate_controller.load_part import LoadResult as LoadResult
from perfgate_controller.member import ALONE, Member, Patience

DIAL_S = 10.0
CALL_S = 3600.0
CLOSE_S = 6.0
STOOD_STILL_NS = NS_PER_S
CATCH_UP_S = 0.3

ProgressHandler = Callable[[str, float], None]
QueueHandler = Callable[["Holder", int], None]


@dataclass(frozen=True, slots=True)
class Running:
    """A store process on the agent's machine."""

    handle: int
    address: Address
    pid: int
    start_ns: int
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has an agent that somebody else wants: what it calls itself and its run, and since when (wall clock)."""

    agent: str
    who: str
    since_wall_ns: int

    def __str__(self) -> str:
        since = time.strftime("%H:%M:%S", time.localtime(self.since_wall_ns / 1e9))
        return f"{self.who} holds it since {since}" if self.who else "nobody says who holds it"


class AgentLink:
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
        self.stores: set[int] = set()
        """Handles of the processes that it runs for us."""
        self.dial_s = DIAL_S
        self.on_interval: Callable[[Interval], None] = lambda interval: None
        self.on_exit: Callable[[int, int, str], None] = lambda handle, status, output: None
        self.on_progress: ProgressHandler = lambda phase, fraction: None
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

    async def describe(self) -> pb.Description:
        """Dial, and compare versions; takes no lease. Raises FleetError."""
        if self._tls is not None:
            self.warning = (await greet(self.address, self._tls, self.member.tls_name)).warning
        self._channel = make_channel(self.address, self._tls, self.member.tls_name)
        self._stub = rpc.AgentStub(self._channel)  # type: ignore[no-untyped-call]
        try:
            described: pb.Description = await self._stub.Describe(
                pb.DescribeRequest(protocol=version.PROTOCOL), timeout=self.dial_s, wait_for_ready=True
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
            async with asyncio.timeout(wait_s + self.dial_s):
                await self._call(pb.Command(hello=hello))
        except TimeoutError:
            who = str(last[-1]) if last else "it does not answer"
            raise FleetError(f"agent {self.name} was not free within {wait_s:g} s: {who}") from None
        self.heard_ns = time.monotonic_ns()
        self._tending.append(asyncio.create_task(self._watch()))
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

    async def prepare_data(self, scenario: Scenario, seed: int) -> None:
        """Build the data on the agent's machine, or find them in its cache."""
        await self._call(pb.Command(prepare_data=pb.PrepareData(scenario=_reference(scenario, seed))))

    async def install(self, target: str, variant: str, scenario: Scenario, seed: int) -> pb.BuildInstalled:
        """Load a build's data once."""
        order = pb.InstallBuild(target=target, variant=variant, scenario=_reference(scenario, seed))
        return (await self._call(pb.Command(install_build=order))).build_installed

    async def populate(self, target: Target, scenario: Scenario, seed: int, address: Address) -> pb.Populated:
        """Verify or load the data of a store that runs already."""
        order = pb.Populate(
            scenario=_reference(scenario, seed), target_json=target.source, address=address_to_wire(address)
        )
        return (await self._call(pb.Command(populate=order))).populated

    async def launch(
        self, target: str, variants: Sequence[str], scenario: Scenario, seed: int, apart: bool = False
    ) -> list[Running]:
        """Fresh processes, alive together, in the order of `variants`. apart: on processors of their own, where the host
        has them."""
        order = pb.Launch(target=target, variants=variants, scenario=_reference(scenario, seed), apart=apart)
        launched = (await self._call(pb.Command(launch=order))).launched
        self.stores.update(process.handle for process in launched.processes)
        return [
            Running(
                process.handle, address_from_wire(process.address), process.pid, process.start_ns, tuple(process.cpus)
            )
            for process in launched.processes
        ]

    async def terminate(self, handle: int) -> None:
        self.stores.discard(handle)
        await self._call(pb.Command(terminate=pb.Terminate(handle=handle)))

    async def prepare_load(
        self, scenario: Scenario, seed: int, target: Target, addresses: dict[Arm, Address],
        segments: Sequence[Segment], lanes: Sequence[int], agents: int, epoch: int = 1,
    ) -> None:  # fmt: skip
        """Everything a run needs, so that it can start at a moment's notice. Of `agents` agents each has its lanes' share of
        the scenario's connections. epoch: no two loads of a session have the same."""
        order = pb.PrepareLoad(
            scenario=_reference(scenario, seed),
            target_json=target.source,
            addresses=[address_to_wire(address, arm) for arm, address in addresses.items()],
            segments=[segment_to_wire(segment) for segment in segments],
            lanes=lanes,
            agents=agents,
            epoch=epoch,
            connections=round(scenario.connection.connections * len(lanes) / LANES) if agents > 1 else 0,
        )
        await self._call(pb.Command(prepare_load=order))
        self.part = LoadPart(epoch, lanes)

    async def start_at(self, monotonic_ns: int) -> None:
        """Start the prepared load at a time of the controller's own monotonic clock."""
        self.part = part = self.part or LoadPart(0, ())
        part.start_ns = monotonic_ns
        permit_ns = part.renew(time.monotonic_ns(), self.patience.lease_ns)
        order = pb.StartAt(monotonic_ns=monotonic_ns + self.clock.offset_ns, permit_ns=permit_ns)
        await self._call(pb.Command(start_at=order))

    async def take_lanes(self, lanes: Sequence[int], from_ns: int) -> int:
        """Send these, too, from a time of the run's clock on. Returns since when all of them are really sent; refused beyond
        the agent's own limits (InputError) and where its part has ended (MeasurementError)."""
        part = self._loaded()
        order = pb.TakeLanes(epoch=part.epoch, lanes=lanes, from_ns=from_ns)
        taken = (await self._call(pb.Command(take_lanes=order))).lanes_taken
        if len(taken.from_ns) != len(lanes):
            raise FleetError(f"agent {self.name} does not say since when it sends which lane")
        part.lanes.update(zip(lanes, taken.from_ns, strict=True))
        return max(taken.from_ns, default=from_ns)

    async def finished(self) -> LoadResult:
        """Wait for the end of the load."""
        return await asyncio.shield(self._loaded().finished)

    def _loaded(self) -> LoadPart:
        assert self.part is not None, "prepare_load comes first"
        return self.part

    async def stop_load(self) -> None:
        """Ask for an early end; what was measured still comes."""
        await self._call(pb.Command(stop_load=pb.StopLoad()))

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
        _raise_refusal(self.name, event)
        return event

    async def _read(self) -> None:
        reason = "its stream ended"
        try:
            while (event := await self._stream.read()) is not grpc.aio.EOF:
                self.heard_ns = time.monotonic_ns()
                self._take(event)
        except grpc.aio.AioRpcError as error:
            reason = f"{error.code().name.lower()}: {error.details()}"
        except Exception as error:  # of an agent that is broken or hostile: nobody may wait for it for ever
            reason = f"it said what cannot be understood ({type(error).__name__}: {error}); is it the same perfgate?"
            self._stream.cancel()
        self._lose(reason)

    def _take(self, event: pb.Event) -> None:
        name = event.WhichOneof("event")
        part = self.part
        if name == "intervals":
            intervals = [interval_from_wire(message) for message in event.intervals.intervals]
            if part is not None and event.intervals.epoch == part.epoch:  # what is left of another load is nobody's
                for interval in intervals:
                    part.take(interval)
                    self.on_interval(interval)
        elif name == "progress":
            self.on_progress(event.progress.phase, event.progress.fraction)
        elif name == "process_exited":
            exited = event.process_exited
            self.on_exit(exited.handle, exited.exit_status, exited.last_output)
        elif name == "queued":
            queued = event.queued
            self._on_queued(Holder(self.name, plain(queued.holder), queued.held_since_wall_ns), queued.before)
        elif event.reply_to:
            waiting = self._waiting.get(event.reply_to)
            if waiting and not waiting.done():
                waiting.set_result(event)
        elif part is not None:
            self._take_of_load(part, event)

    def _take_of_load(self, part: LoadPart, event: pb.Event) -> None:
        name = event.WhichOneof("event")
        if name == "load_began" and event.load_began.epoch == part.epoch:
            part.began_ns = event.load_began.monotonic_ns
        elif name == "load_finished" and event.load_finished.epoch == part.epoch:
            finished = event.load_finished
            part.end(tuple(report_from_wire(report) for report in finished.workers), finished.steal_fraction)
        elif name == "failure":
            part.fail(_error(self.name, event.failure))

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
            await asyncio.sleep(self.patience.beat_ns / NS_PER_S / 2)
            if time.monotonic_ns() - looked_ns > STOOD_STILL_NS:
                await asyncio.sleep(CATCH_UP_S)
            loading = self.part is not None and self.part.running
            limit_ns = self.patience.load_ns if loading else self.patience.idle_ns
            looked_ns = time.monotonic_ns()
            if looked_ns - self.heard_ns > limit_ns:
                self._lose(f"silent for more than {limit_ns / NS_PER_S:g} s")

    async def _beat(self) -> None:
        """Heartbeats, with the permit of the load that is running."""
        while True:
            await asyncio.sleep(self.patience.beat_ns / NS_PER_S)
            if self._lost is not None:
                return
            beat = pb.Heartbeat()
            if self.part is not None and self.part.running:
                beat.epoch = self.part.epoch
                beat.permit_ns = self.part.renew(self.heard_ns, self.patience.lease_ns)
            try:
                async with self._writing:
                    await self._stream.write(pb.Command(id=next(self._ids), heartbeat=beat))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # the reader says why


def _reference(scenario: Scenario, seed: int) -> pb.ScenarioRef:
    return pb.ScenarioRef(scenario_json=scenario.source, seed=seed)


def _error(agent: str, failure: pb.Failure) -> PerfgateError:
    kind, text = getattr(errors, failure.kind, None), plain(failure.text)
    if isinstance(kind, type) and issubclass(kind, PerfgateError):
        return kind(text)
    return PerfgateError(f"agent {agent}: {text}")


def plain(text: str) -> str:
    """Without what would move or colour the terminal of whoever reads an agent's words."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def _raise_refusal(agent: str, event: pb.Event) -> None:
    name = event.WhichOneof("event")
    if name == "failure":
        raise _error(agent, event.failure)
    if name == "refused":
        refused = event.refused
        who = f": {Holder(agent, refused.holder, refused.held_since_wall_ns)}" if refused.holder else ""
        raise FleetError(plain(f"{refused.reason}{who}"))
