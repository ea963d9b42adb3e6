"""One session of an agent: carries out a controller's commands, one after the other or side by side, and cleans up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from perfgate.address import Address
from perfgate.dataset import Dataset, build_dataset
from perfgate.errors import InputError, PerfgateError, TargetError
from perfgate.plan import Plan
from perfgate.scenario import scenario_from_json
from perfgate.scenario.model import Scenario
from perfgate.targets.load import target_from_json
from perfgate.wire.convert import address_from_wire, address_to_wire
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.host import Build, Host
from perfgate_agent.lease import Lease
from perfgate_agent.load import Load
from perfgate_agent.load_commands import LoadCommands
from perfgate_agent.no_room import no_room
from perfgate_agent.outbox import Outbox
from perfgate_agent.populate import RunningStore, populate
from perfgate_agent.process import StoreProcess
from perfgate_agent.store_sample import sample_store
from perfgate_agent.store_user import let_through

MOST_AT_ONCE = 64
MOST_WAITING = 1024
ROOM_S = 0.05

Handler = Callable[[pb.Command], Awaitable[pb.Event]]


class AgentSession:
    """Made for one lease; `close` ends its load and its processes, whatever state they are in."""

    def __init__(self, configuration: AgentConfiguration, lease: Lease) -> None:
        self.outbox = Outbox()
        self._configuration = configuration
        self._lease = lease
        self._directory = configuration.work_dir / f"session-{lease.token}"
        self._host = Host(configuration, self._directory)
        self.load = LoadCommands(Load(configuration, self._directory), configuration.limits, self.outbox, self)
        self._datasets: dict[tuple[str, int], Dataset] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._preparing = asyncio.Lock()
        self._launching = 0
        self._handlers: dict[str, Handler] = {
            "clock_probe": self._clock_probe,
            "prepare_data": self._prepare_data,
            "install_build": self._install_build,
            "launch": self._launch,
            "terminate": self._terminate,
            "prepare_load": self._prepare_load,
            "start_at": self._start_at,
            "take_lanes": self._take_lanes,
            "stop_load": self._stop_load,
            "populate": self._populate,
            "sample_store": self._sample_store,
        }

    def open(self) -> None:
        """Make the session's own directory. Raises InputError where that cannot be."""
        try:
            self._directory.mkdir(parents=True)
            if self._configuration.store_user is not None:
                let_through(self._configuration.work_dir, self._directory)
        except OSError as error:
            raise InputError(f"work directory {self._directory}: {error.strerror}; give another --work-dir") from error

    def take(self, command: pb.Command) -> None:
        """Start carrying out one command; its answer goes to the outbox."""
        if command.WhichOneof("command") == "heartbeat":
            self.load.permit(command.heartbeat)
            self.outbox.put_alive()
        else:
            self._own(self._answer(command))

    async def room(self) -> None:
        """Wait while too much is under way, or too many answers wait for a controller that does not take them."""
        while len(self._tasks) > MOST_AT_ONCE or self.outbox.waiting > MOST_WAITING:
            await asyncio.sleep(ROOM_S)

    async def close(self) -> None:
        """End everything that belongs to this session."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self.load.close(), self._host.close(), return_exceptions=True)

    def _own(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, command: pb.Command) -> None:
        name = command.WhichOneof("command") or ""
        try:
            handler = self._handlers.get(name)
            if handler is None:
                raise InputError(f"command {name or '(empty)'} is not one this agent knows here")
            event = await handler(command)
        except* PerfgateError as group:
            event = _failure(cast(PerfgateError, _first(group)))
        except* Exception as group:  # a bug must reach the controller, not die with a task
            first = _first(group)
            words = f"{type(first).__name__} in the agent during {name}: {first}"
            event = _failure(no_room(first) or PerfgateError(words))
        event.reply_to = command.id
        self.outbox.put(event)

    async def _clock_probe(self, command: pb.Command) -> pb.Event:
        return pb.Event(clock_reading=pb.ClockReading(monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns()))

    async def _prepare_data(self, command: pb.Command) -> pb.Event:
        began = time.monotonic_ns()
        scenario, seed = _scenario(command.prepare_data.scenario)
        dataset = await self._dataset(scenario, seed)
        size = dataset.nodes.nbytes + dataset.queries.nbytes + dataset.pool.nbytes
        return pb.Event(data_ready=pb.DataReady(bytes=size, duration_ns=time.monotonic_ns() - began))

    async def _install_build(self, command: pb.Command) -> pb.Event:
        order = command.install_build
        build = await self._build(order.target, order.variant, order.scenario)
        done = await self._host.install(
            build, lambda phase, fraction: self._progress(command.id, phase, fraction), order.anew
        )
        return pb.Event(
            build_installed=pb.BuildInstalled(
                memories=done.memories,
                bytes=done.bytes,
                start_ns=done.start_ns,
                load_ns=done.load_ns,
                reused=done.reused,
            )
        )

    async def _populate(self, command: pb.Command) -> pb.Event:
        order = command.populate
        address = address_from_wire(order.address)
        self._check_address(address)
        scenario, seed = _scenario(order.scenario)
        store = RunningStore(
            target_from_json(order.target_json), scenario, await self._dataset(scenario, seed),
            address,
        )  # fmt: skip
        done = await populate(store, lambda fraction: self._progress(command.id, "loading", fraction))
        return pb.Event(populated=pb.Populated(memories=done.memories, loaded=done.loaded, load_ns=done.load_ns))

    async def _launch(self, command: pb.Command) -> pb.Event:
        order = command.launch
        self._configuration.limits.check_processes(len(self._host.processes) + self._launching, len(order.variants))
        self._launching += len(order.variants)
        try:
            builds = [await self._build(order.target, variant, order.scenario) for variant in order.variants]
            launched = await self._host.launch(builds, order.apart)
        finally:
            self._launching -= len(order.variants)
        for handle, process in launched:
            self._own(self._watch(handle, process))
        return pb.Event(
            launched=pb.Launched(
                processes=[
                    pb.Process(
                        handle=handle, address=address_to_wire(process.start.address), pid=process.pid,
                        start_ns=process.start_ns, cpus=process.start.cpus,
                    )
                    for handle, process in launched
                ]
            )
        )  # fmt: skip

    async def _watch(self, handle: int, process: StoreProcess) -> None:
        status = await process.wait()
        if not process.stopping:
            exited = pb.ProcessExited(handle=handle, exit_status=status, last_output=process.last_output())
            self.outbox.put(pb.Event(process_exited=exited))

    async def _terminate(self, command: pb.Command) -> pb.Event:
        status, killed = await self._host.terminate(command.terminate.handle)
        return pb.Event(terminated=pb.Terminated(exit_status=status, killed=killed))

    async def _sample_store(self, command: pb.Command) -> pb.Event:
        process = self._host.processes.get(command.sample_store.handle)
        if process is None:
            raise TargetError(f"there is no process {command.sample_store.handle} in this session")
        taken = await asyncio.to_thread(sample_store, process.pid, process.start.data_dir)
        return pb.Event(
            store_sampled=pb.StoreSampled(
                rss_bytes=taken.rss_bytes,
                disk_bytes=taken.disk_bytes,
                cpu_ns=taken.cpu_ns,
                processes=taken.processes,
            )
        )

    async def _prepare_load(self, command: pb.Command) -> pb.Event:
        await self.load.prepare(command.prepare_load)
        return pb.Event(load_ready=pb.LoadReady(workers=self._configuration.workers))

    async def admit(self, scenario: Scenario, seed: int, addresses: Sequence[Address]) -> None:
        """See load_commands.Admission."""
        await self._dataset(scenario, seed)
        for address in addresses:
            self._check_address(address)

    async def _start_at(self, command: pb.Command) -> pb.Event:
        self.load.start(command.start_at)
        return pb.Event(load_started=pb.LoadStarted(monotonic_ns=command.start_at.monotonic_ns))

    async def _take_lanes(self, command: pb.Command) -> pb.Event:
        return pb.Event(lanes_taken=pb.LanesTaken(from_ns=await self.load.take_lanes(command.take_lanes)))

    async def _stop_load(self, command: pb.Command) -> pb.Event:
        self.load.stop()
        return pb.Event(alive=pb.Alive())

    async def _build(self, target: str, variant: str, reference: pb.ScenarioRef) -> Build:
        scenario, seed = _scenario(reference)
        return Build(self._configuration.target(target), variant, scenario, await self._dataset(scenario, seed))

    def _check_address(self, address: Address) -> None:
        """A store that this session has started may be loaded, wherever it is; others by the configuration."""
        own = [process.start.address for process in self._host.processes.values()]
        if not any((address.host, address.port, address.path) == (one.host, one.port, one.path) for one in own):
            self._configuration.check_address(address)

    async def _dataset(self, scenario: Scenario, seed: int) -> Dataset:
        self._configuration.check_data(scenario.data)
        async with self._preparing:
            key = (scenario.digest, seed)
            if key not in self._datasets:
                self._datasets[key] = await self._make_dataset(scenario, seed)
            return self._datasets[key]

    async def _make_dataset(self, scenario: Scenario, seed: int) -> Dataset:
        plan, loop, cancelled = Plan(scenario, seed), asyncio.get_running_loop(), False

        def progress(phase: str, fraction: float) -> None:
            loop.call_soon_threadsafe(self._progress, 0, phase, fraction)

        try:
            return await asyncio.to_thread(
                build_dataset, scenario, seed, self._configuration.cache_dir, plan.store_pool, plan.num_queries,
                progress, lambda: cancelled,
            )  # fmt: skip
        except asyncio.CancelledError:
            cancelled = True
            raise

    def _progress(self, reply_to: int, phase: str, fraction: float) -> None:
        self.outbox.put(pb.Event(reply_to=reply_to, progress=pb.Progress(phase=phase, fraction=fraction)))


def _scenario(reference: pb.ScenarioRef) -> tuple[Scenario, int]:
    return scenario_from_json(reference.scenario_json), reference.seed


def _failure(error: PerfgateError) -> pb.Event:
    return pb.Event(failure=pb.Failure(kind=type(error).__name__, text=str(error)))


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """The first leaf of a group, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error
