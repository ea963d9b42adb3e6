"""What a controller asks of an agent: typed calls over one session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perfgate.address import Address
from perfgate.errors import FleetError, MeasurementError
from perfgate.interval import Interval
from perfgate.plan import LANES
from perfgate.scenario.model import Scenario
from perfgate.segment import Arm, Segment
from perfgate.soak.sample import StoreSample
from perfgate.targets.model import Target
from perfgate.trust.files import TlsFiles
from perfgate.wire.convert import (
    address_from_wire,
    address_to_wire,
    interval_from_wire,
    report_from_wire,
    segment_to_wire,
)
from perfgate.wire.v1 import wire_pb2 as pb
from perfgate_controller.answers import Holder as Holder
from perfgate_controller.answers import error_of
from perfgate_controller.answers import plain as plain
from perfgate_controller.load_part import LoadPart
from perfgate_controller.load_part import LoadResult as LoadResult
from perfgate_controller.member import ALONE, Member, Patience
from perfgate_controller.session_stream import SessionStream

ProgressHandler = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Running:
    """A store process on the agent's machine."""

    handle: int
    address: Address
    pid: int
    start_ns: int
    cpus: tuple[int, ...]


class AgentLink(SessionStream):
    """One agent. Every call raises FleetError when it is lost."""

    def __init__(self, member: str | Member, tls: TlsFiles | None = None, patience: Patience = ALONE) -> None:
        super().__init__(member, tls, patience)
        self.stores: set[int] = set()
        """Handles of the processes that it runs for us."""
        self.on_interval: Callable[[Interval], None] = lambda interval: None
        self.on_exit: Callable[[int, int, str], None] = lambda handle, status, output: None
        self.on_progress: ProgressHandler = lambda phase, fraction: None

    async def prepare_data(self, scenario: Scenario, seed: int) -> None:
        """Build the data on the agent's machine, or find them in its cache."""
        await self._call(pb.Command(prepare_data=pb.PrepareData(scenario=_reference(scenario, seed))))

    async def install(
        self, target: str, variant: str, scenario: Scenario, seed: int, anew: bool = False
    ) -> pb.BuildInstalled:  # fmt: skip
        """Load a build's data once, or anew for all processes to come."""
        order = pb.InstallBuild(target=target, variant=variant, scenario=_reference(scenario, seed), anew=anew)
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
        """Ends a store of this session, with all its children, and removes its data."""
        self.stores.discard(handle)
        await self._call(pb.Command(terminate=pb.Terminate(handle=handle)))

    async def sample_store(self, handle: int) -> StoreSample:
        """What a store of this session takes up now."""
        sampled = (await self._call(pb.Command(sample_store=pb.SampleStore(handle=handle)))).store_sampled
        return StoreSample(sampled.rss_bytes, sampled.disk_bytes, sampled.cpu_ns, sampled.processes)

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

    def _said(self, event: pb.Event) -> None:
        name = event.WhichOneof("event")
        part = self.part
        if name == "intervals":
            intervals = [interval_from_wire(message) for message in event.intervals.intervals]
            if part is not None and event.intervals.epoch == part.epoch:  # what is left of another load is nobody's
                try:
                    for interval in intervals:
                        part.take(interval)
                        self.on_interval(interval)
                except MeasurementError as error:  # it cannot be written down here, which is no fault of the agent's
                    part.fail(error)
                    self._stream.cancel()  # so that the agent keeps it
        elif name == "progress":
            self.on_progress(event.progress.phase, event.progress.fraction)
        elif name == "process_exited":
            exited = event.process_exited
            self.on_exit(exited.handle, exited.exit_status, exited.last_output)
        elif part is not None:
            self._take_of_load(part, event)

    def _take_of_load(self, part: LoadPart, event: pb.Event) -> None:
        name = event.WhichOneof("event")
        if name == "load_began" and event.load_began.epoch == part.epoch:
            part.began_ns = event.load_began.monotonic_ns
        elif name == "load_finished" and event.load_finished.epoch == part.epoch:
            finished = event.load_finished
            part.end(tuple(report_from_wire(report) for report in finished.workers), finished.steal_fraction)
        elif name == "worker_fell" and event.worker_fell.epoch == part.epoch:
            fell = event.worker_fell
            part.fall(plain(fell.worker), fell.lanes, max(0, fell.ended_ns), fell.due)
        elif name == "failure":
            part.fail(error_of(self.name, event.failure))


def _reference(scenario: Scenario, seed: int) -> pb.ScenarioRef:
    return pb.ScenarioRef(scenario_json=scenario.source, seed=seed)
