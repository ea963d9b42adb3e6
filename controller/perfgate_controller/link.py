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
from perfgate.load_report import LoadReport
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
from perfgate_controller.dial_tls import greet, make_channel, speaks_tls

DIAL_S = 10.0
CALL_S = 3600.0
CLOSE_S = 4.0
HEARTBEAT_S = 1.0
SILENCE_LIMIT_S = 15.0
CLOCK_PROBES = 9

ProgressHandler = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Running:
    """A store process on the agent's machine."""

    handle: int
    address: Address
    pid: int
    start_ns: int
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one agent says at the end of a load."""

    reports: tuple[LoadReport, ...]
    steal_fraction: float


class AgentLink:
    """One session with one agent. Every call raises FleetError when the agent is lost."""

    def __init__(self, address: str, tls: TlsFiles | None = None) -> None:
        self.address = address
        self.warning = ""
        self._tls = tls
        self.name = address
        self.environment: dict[str, str] = {}
        self.workers = 0
        self.offset_ns = 0
        self.dial_s = DIAL_S
        self.on_interval: Callable[[Interval], None] = lambda interval: None
        self.on_exit: Callable[[int, int, str], None] = lambda handle, status, output: None
        self.on_progress: ProgressHandler = lambda phase, fraction: None
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[pb.Event]] = {}
        self._finished: asyncio.Future[LoadResult] | None = None
        self._channel: grpc.aio.Channel | None = None
        self._reading: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._lost: FleetError | None = None
        self._heard_ns = time.monotonic_ns()

    async def open(self, controller: str, run: str) -> None:
        """Dial, compare versions, take the lease. Raises FleetError that says who holds it, or what is wrong."""
        if self._tls is not None:
            self.warning = (await greet(self.address, self._tls)).warning
        self._channel = make_channel(self.address, self._tls)
        stub = rpc.AgentStub(self._channel)  # type: ignore[no-untyped-call]
        try:
            described = await stub.Describe(
                pb.DescribeRequest(protocol=version.PROTOCOL), timeout=self.dial_s, wait_for_ready=True
            )
        except grpc.aio.AioRpcError as error:
            await self._channel.close()
            raise FleetError(await self._why_not(error)) from error
        if reason := version.mismatch(described.protocol, described.perfgate_version):
            await self._channel.close()
            raise FleetError(f"agent {self.address}: {reason}")
        self.name, self.workers = _plain(described.name), described.workers
        self.environment = {_plain(name): _plain(value) for name, value in described.environment.items()}
        self._stream = stub.Session()
        self._reading = asyncio.create_task(self._read())
        hello = pb.Hello(protocol=version.PROTOCOL, perfgate_version=__version__, controller=controller, run=run)
        await self._call(pb.Command(hello=hello))
        self._beating = asyncio.create_task(self._beat())
        await self._measure_clock()

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
        if self._beating is not None:
            self._beating.cancel()
        if self._reading is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await self._stream.done_writing()
                    await asyncio.shield(self._reading)  # cancelling it would cancel the call before the agent is done
            self._reading.cancel()
            self._stream.cancel()
        if self._channel is not None:
            await self._channel.close()

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
        return [
            Running(
                process.handle, address_from_wire(process.address), process.pid, process.start_ns, tuple(process.cpus)
            )
            for process in launched.processes
        ]

    async def terminate(self, handle: int) -> None:
        await self._call(pb.Command(terminate=pb.Terminate(handle=handle)))

    async def prepare_load(
        self, scenario: Scenario, seed: int, target: Target, addresses: dict[Arm, Address],
        segments: Sequence[Segment], lanes: Sequence[int], agents: int,
    ) -> None:  # fmt: skip
        """Everything a run needs, so that it can start at a moment's notice."""
        order = pb.PrepareLoad(
            scenario=_reference(scenario, seed),
            target_json=target.source,
            addresses=[address_to_wire(address, arm) for arm, address in addresses.items()],
            segments=[segment_to_wire(segment) for segment in segments],
            lanes=lanes,
            agents=agents,
        )
        await self._call(pb.Command(prepare_load=order))
        self._finished = asyncio.get_running_loop().create_future()

    async def start_at(self, monotonic_ns: int) -> None:
        """Start the prepared load at a time of the controller's own monotonic clock."""
        await self._call(pb.Command(start_at=pb.StartAt(monotonic_ns=monotonic_ns + self.offset_ns)))

    async def finished(self) -> LoadResult:
        """Wait for the end of the load."""
        assert self._finished is not None, "prepare_load comes first"
        return await asyncio.shield(self._finished)

    async def stop_load(self) -> None:
        """Ask for an early end; what was measured still comes."""
        await self._call(pb.Command(stop_load=pb.StopLoad()))

    async def _measure_clock(self) -> None:
        """Offset of the agent's monotonic clock from the shortest of several round trips (Cristian 1989)."""
        best = NS_PER_S * 60
        for _ in range(CLOCK_PROBES):
            before = time.monotonic_ns()
            reading = (await self._call(pb.Command(clock_probe=pb.ClockProbe()))).clock_reading
            after = time.monotonic_ns()
            if after - before < best:
                best = after - before
                self.offset_ns = reading.monotonic_ns - (before + after) // 2

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
                self._heard_ns = time.monotonic_ns()
                self._take(event)
        except grpc.aio.AioRpcError as error:
            reason = f"{error.code().name.lower()}: {error.details()}"
        except Exception as error:  # of an agent that is broken or hostile: nobody may wait for it for ever
            reason = f"it said what cannot be understood ({type(error).__name__}: {error}); is it the same perfgate?"
            self._stream.cancel()
        self._lose(reason)

    def _take(self, event: pb.Event) -> None:
        name = event.WhichOneof("event")
        if name == "intervals":
            for interval in event.intervals.intervals:
                self.on_interval(interval_from_wire(interval))
        elif name == "progress":
            self.on_progress(event.progress.phase, event.progress.fraction)
        elif name == "process_exited":
            exited = event.process_exited
            self.on_exit(exited.handle, exited.exit_status, exited.last_output)
        elif event.reply_to:
            waiting = self._waiting.get(event.reply_to)
            if waiting and not waiting.done():
                waiting.set_result(event)
        elif self._finished and not self._finished.done():
            if name == "load_finished":
                finished = event.load_finished
                reports = tuple(report_from_wire(report) for report in finished.workers)
                self._finished.set_result(LoadResult(reports, finished.steal_fraction))
            elif name == "failure":
                self._finished.set_exception(_error(self.name, event.failure))

    def _lose(self, reason: str) -> None:
        self._lost = FleetError(f"agent {self.name} was lost: {reason}")
        for future in (*self._waiting.values(), *((self._finished,) if self._finished else ())):
            if not future.done():
                future.set_exception(self._lost)
                future.exception()  # whoever waits sees it; nobody waiting is no error of its own

    async def _beat(self) -> None:
        while self._lost is None:
            await asyncio.sleep(HEARTBEAT_S)
            if time.monotonic_ns() - self._heard_ns > SILENCE_LIMIT_S * NS_PER_S:
                self._lose(f"silent for more than {SILENCE_LIMIT_S:g} s")
                return
            try:
                async with self._writing:
                    await self._stream.write(pb.Command(id=next(self._ids), heartbeat=pb.Heartbeat()))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # the reader says why


def _reference(scenario: Scenario, seed: int) -> pb.ScenarioRef:
    return pb.ScenarioRef(scenario_json=scenario.source, seed=seed)


def _error(agent: str, failure: pb.Failure) -> PerfgateError:
    kind, text = getattr(errors, failure.kind, None), _plain(failure.text)
    if isinstance(kind, type) and issubclass(kind, PerfgateError):
        return kind(text)
    return PerfgateError(f"agent {agent}: {text}")


def _plain(text: str) -> str:
    """Without what would move or colour the terminal of whoever reads an agent's words."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def _raise_refusal(agent: str, event: pb.Event) -> None:
    name = event.WhichOneof("event")
    if name == "failure":
        raise _error(agent, event.failure)
    if name == "refused":
        refused = event.refused
        since = time.strftime("%H:%M:%S", time.localtime(refused.held_since_wall_ns / 1e9))
        who = f": {refused.holder} holds it since {since}" if refused.holder else ""
        raise FleetError(_plain(f"{refused.reason}{who}"))
